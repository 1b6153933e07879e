"""KeyedSession beside requests.Session, the same calls to the same upstream, round by round.

`python -m tests.bench.wrapper PORT` in the environment of a prepared product prints the medians.
"""

import json
import os
import sys
import time
from statistics import median

import django
import requests

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from tests.bench.inner import BODY, PATH  # noqa: E402
from tests.bench.rows import SECRET  # noqa: E402
from tests.live import wait_for  # noqa: E402
from usage.client import KeyedSession  # noqa: E402
from usage.models import Call  # noqa: E402

ROUNDS, CALLS = 9, 200


def seconds(session: requests.Session, url: str, headers: dict[str, str]) -> float:
    started = time.perf_counter()
    for _ in range(CALLS):
        response = session.post(url, data=BODY, headers=headers, timeout=10)
        assert len(response.content) == 1024, response.status_code
    return (time.perf_counter() - started) / CALLS


def main() -> None:
    base, path = f"http://127.0.0.1:{sys.argv[1]}", f"{PATH}/json"
    kind = {"Content-Type": "application/json"}
    armed = {**kind, "Authorization": f"Bearer {SECRET}"}
    wrapper, plain, usual = KeyedSession("bench", "openai"), requests.Session(), requests.Session()
    plain.trust_env = False
    before, rounds = Call.objects.count(), []
    for number in range(ROUNDS + 1):
        through = seconds(wrapper, path, kind)
        # What is left to drain must not be done at the cost of the others' calls.
        told = before + (number + 1) * CALLS
        wait_for(lambda told=told: Call.objects.count() >= told, 30, "the ledger")  # type: ignore[misc]
        rounds.append(
            (through, seconds(plain, base + path, armed), seconds(usual, base + path, armed))
        )
    del rounds[0]  # first connections, first imports
    found = {
        "wrapper": median(one for one, _, _ in rounds) * 1e6,
        "plain": median(one for _, one, _ in rounds) * 1e6,
        "usual": median(one for _, _, one in rounds) * 1e6,
        "to_plain": median(through / other for through, other, _ in rounds),
        "to_usual": median(through / other for through, _, other in rounds),
        "calls": (ROUNDS + 1) * CALLS,
        "recorded": Call.objects.count() - before,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
