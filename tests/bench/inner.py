"""The parts of one call alone, without a transport: decision, recording, unsealing.

`python -m tests.bench.inner KEY` in the environment of a prepared product prints µs per call.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from cryptography.fernet import Fernet  # noqa: E402
from django.conf import settings  # noqa: E402

from keys import vault  # noqa: E402
from keys.providers.base import ProviderSpec  # noqa: E402
from tests.bench.upstream import ANSWER  # noqa: E402
from usage import spool  # noqa: E402
from usage.events import Outcome, Source  # noqa: E402
from usage.gateway import core, desk  # noqa: E402
from usage.gateway.answer import Masking  # noqa: E402
from usage.gateway.asked import Asked  # noqa: E402
from usage.gateway.choosing import Choice  # noqa: E402
from usage.gateway.core import Judgement, Route  # noqa: E402
from usage.gateway.pools import Rota  # noqa: E402
from usage.gateway.recording import Recording  # noqa: E402
from usage.gateway.records import AppKeyRecord, Pool  # noqa: E402
from usage.limits import Limiter  # noqa: E402

ROUNDS, CALLS = 400, 25
BODY = b'{"model": "bench", "messages": [{"role": "user", "content": "%s"}]}' % (b"x" * 950)
PATH = "/v1/chat/completions"


def cost(call: Callable[[], object]) -> float:
    """µs of one call: the least processor time of many rounds, as others share the processor."""
    least = float("inf")
    for _ in range(ROUNDS):
        started = time.thread_time()
        for _ in range(CALLS):
            call()
        least = min(least, time.thread_time() - started)
    return least / CALLS * 1e6


class Desk:
    """The facts that a call is decided with, looked up as the gateway does it."""

    def __init__(self, text: str) -> None:
        here = desk.mine().directory
        self.text = text
        self.spec: ProviderSpec = self._known(here.find(here.specs, "openai"))
        lookup = here.run(lambda: vault.lookup_hash(text)).result(5)
        self.record: AppKeyRecord = self._known(here.find(here.app_keys, lookup))
        self.pool: Pool = here.find(here.pools, (self.record.application, "openai"))
        self.rota, self.limiter = Rota(), Limiter("")
        self.route: Route = here.run(lambda: self._chosen(time.time())).result(5)

    def _chosen(self, now: float) -> Route:
        choice = Choice(self.rota, self.spec, self.pool, now)
        route = choice.candidate()
        assert route is not None
        choice.takes(route)
        choice.let_go()
        return route

    @staticmethod
    def _known(found: "ProviderSpec | AppKeyRecord | None") -> "ProviderSpec | AppKeyRecord":
        assert found is not None
        return found

    def scope(self) -> dict[str, object]:
        sent = {
            "host": "bench",
            "user-agent": "bench/1",
            "accept": "*/*",
            "content-type": "application/json",
            "content-length": str(len(BODY)),
            "authorization": f"Bearer {self.text}",
        }
        return {
            "method": "POST",
            "raw_path": f"/gateway/openai{PATH}".encode(),
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
            "client": ("127.0.0.1", 40000),
        }

    def decide(self, scope: dict[str, object]) -> Judgement:
        """From what the server parsed to what the answer meant, unsealing left out."""
        now = time.time()
        asked = Asked(scope)
        asked.head.check()
        _, bare = asked.head.request()
        outgoing = core.read(bare._replace(body=BODY))
        path = outgoing.path
        _, text = asked.head.credentials(self.spec)
        text = core.app_key_text(core.found_inside(outgoing, self.spec), text)
        vault.lookup_hash(text)
        core.authenticate(self.record, now)
        core.admit(self.record, self.spec, asked.method, path, asked.address)
        core.obey(self.limiter.take(self.record.id, "call", self.record.limits, now))
        route = self._chosen(now)
        armed = core.armed(self.spec, outgoing, text, route)
        secrets = (route.secret.reveal(),)
        masking = Masking(secrets, stream=False)
        masking.feed(ANSWER.partition(b"\r\n\r\n")[2])
        masking.flush()
        sample = masking.sample
        return core.ended(self.spec, 200, "application/json", sample, armed, secrets, whole=True)

    def record_one(self) -> None:
        recording = Recording(Source.GATEWAY, "POST", address="127.0.0.1")
        recording.user_agent = "bench/1"
        recording.provider, recording.endpoint = "openai", PATH
        recording.application, recording.app_key = self.record.application, self.record.id
        recording.goes_with(self.route)
        recording.begin()
        recording.end(_GOOD)


_GOOD = Judgement(Outcome.OK, tokens_in=9, tokens_out=12)


def main() -> None:
    here = Desk(sys.argv[1])
    key = here.pool[0]
    secret = here.route.secret

    def unseal() -> None:
        place = (key.application, key.id, key.current.number)
        slot = vault.provider_key_slot(*place, "openai", key.current.entered_for)
        vault.unseal(slot, key.current.sealed)

    plain = Fernet(Fernet.generate_key())
    token = plain.encrypt(bytes(64))
    scope = here.scope()
    with patch.object(vault, "unseal", lambda *_: secret):
        decision = cost(lambda: here.decide(scope))
    # A spool that nobody drains: what is written here was no call.
    with tempfile.TemporaryDirectory(dir=settings.DATA_DIR) as folder:
        mine = spool.Spool(Path(folder) / "spool")
        with patch.object(spool, "mine", lambda: mine):
            recording = cost(here.record_one)
        mine.close()
    found = {
        "fernet": cost(lambda: plain.decrypt(token)),
        "decision": decision,
        "recording": recording,
        "unsealing": cost(unseal),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
