"""Free requests to providers: asked side by side, at most so many at once of each provider."""

import asyncio
import logging
import queue
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self
from urllib.parse import quote

import orjson
from django.utils import timezone

from keys import outbound
from keys.evidence import MEANINGS, Evidence
from keys.outbound import Blocked, OutboundError, Reply
from keys.providers import Kind, ProviderSpec
from keys.providers.injection import Outgoing, inject
from keys.states import Verdict
from keys.vault import Secret

logger = logging.getLogger(__name__)

TIMEOUT = 10.0  # seconds for one probe
BODY_LIMIT = 256 * 1024  # bytes of an answer that are read


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One key to look at. Without a secret it doesn't open any more."""

    key_id: str
    spec: ProviderSpec
    version: int
    secret: Secret | None


class Prober:
    """A thread in which probes wait side by side; leaving it ends what is still under way."""

    def __init__(self, at_once: int, timeout: float = TIMEOUT) -> None:
        self._at_once, self._timeout = at_once, timeout
        self._told: queue.SimpleQueue[tuple[Case, Future[Evidence]]] = queue.SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="probes", daemon=True)
        self._turns: dict[str, asyncio.Semaphore] = {}
        self._asked: set[Future[Evidence]] = set()
        self.under_way: Counter[str] = Counter()  # by provider; of the thread that asks

    def __enter__(self) -> Self:
        self._thread.start()
        self._session = asyncio.run_coroutine_threadsafe(_opened(), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        for asked in self._asked:
            asked.cancel()
        asyncio.run_coroutine_threadsafe(self._session.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def ask(self, case: Case) -> None:
        """Ask when it is its turn; what comes of it is among the `answers`."""
        self.under_way[case.spec.slug] += 1
        asked = asyncio.run_coroutine_threadsafe(self._ask(case), self._loop)
        self._asked.add(asked)
        asked.add_done_callback(lambda done: self._told.put((case, done)))

    def answers(self, wait: float) -> Iterator[tuple[Case, Evidence]]:
        """What came since, after waiting so many seconds for the first."""
        try:
            told = [self._told.get(timeout=wait)]
        except queue.Empty:
            return
        while not self._told.empty():
            told.append(self._told.get())
        for case, done in told:
            self._asked.discard(done)
            self.under_way[case.spec.slug] -= 1
            error = done.exception()
            yield case, done.result() if error is None else _failed(case, error)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        # Where names are looked up: one that takes long must not hold up the others.
        self._loop.set_default_executor(ThreadPoolExecutor(32, thread_name_prefix="resolve"))
        self._loop.run_forever()

    async def _ask(self, case: Case) -> Evidence:
        turn = self._turns.setdefault(case.spec.slug, asyncio.Semaphore(self._at_once))
        async with turn:
            return await _look(self._session, case, self._timeout)


def ask_all(
    cases: Iterable[Case], at_once: int, timeout: float = TIMEOUT
) -> Iterator[tuple[Case, Evidence]]:
    """Asks about all of these."""
    asked = list(cases)
    if not asked:
        return
    with Prober(at_once, timeout) as prober:
        for case in asked:
            prober.ask(case)
        while prober.under_way.total():
            yield from prober.answers(wait=1.0)


def _failed(case: Case, error: BaseException) -> Evidence:
    """A fault of ours or an answer beyond all expectation: the key is looked at again, and one
    odd provider doesn't keep the others from being checked. The fault's text may hold anything.
    """
    name = type(error).__name__
    logger.error("probe of %s failed: %s", case.key_id, name)
    return Evidence(
        meaning=Verdict.UNKNOWN,
        at=timezone.now(),
        code="check_failed",
        message=f"The check itself failed ({name}): see the log",
        version=case.version,
    )


async def _opened() -> outbound.Client:
    return outbound.client()


async def _look(session: outbound.Client, case: Case, timeout: float) -> Evidence:
    if case.secret is None:
        evidence = Evidence(
            meaning=Verdict.UNDECRYPTABLE,
            at=timezone.now(),
            code="undecryptable",
            message="The stored secret does not open with the keys of this vault",
        )
    else:
        evidence = await _probe(session, case.spec, case.secret, timeout)
    return replace(evidence, version=case.version)


async def _probe(
    session: outbound.Client, spec: ProviderSpec, secret: Secret, timeout: float
) -> Evidence:
    """One question. No answer, or one that says nothing of the key, means unknown."""
    made = _request(spec, secret)
    url = spec.base_url + made.path + (f"?{made.query}" if made.query else "")
    try:
        outbound.check_url(url, spec.base_url)
        reply = await outbound.ask(
            session,
            made.method,
            url,
            headers=dict(made.headers),
            body=made.body or None,
            timeout=timeout,
            limit_bytes=BODY_LIMIT,
        )
    except (OutboundError, Blocked) as error:
        return Evidence(
            meaning=Verdict.UNKNOWN, at=timezone.now(), code=error.reason, message=str(error)
        )
    return _read(spec, secret, reply)


def _request(spec: ProviderSpec, secret: Secret) -> Outgoing:
    sent = spec.probe
    if sent is None:
        raise ValueError("no free request")
    body = b"" if sent.body is None else orjson.dumps(dict(sent.body))
    typed = (("Content-Type", "application/json"),) if body else ()
    path, _, query = sent.path.partition("?")
    return inject(
        spec, Outgoing(sent.method, path, query, (*sent.headers, *typed), body), "", secret
    )


def _read(spec: ProviderSpec, secret: Secret, reply: Reply) -> Evidence:
    content_type = reply.headers.get("content-type", "")
    reading = spec.read_probe(reply.status, content_type, reply.body)
    live = reading.kind is Kind.OK
    balance = spec.balance_of(content_type, reply.body) if live else None
    return Evidence(
        meaning=MEANINGS.get(reading.kind, Verdict.UNKNOWN),
        at=timezone.now(),
        status=reply.status,
        code=_clean(reading.code, secret),
        message=_clean(reading.message, secret),
        latency_ms=reply.latency_ms,
        balance=balance.amount if balance else None,
        currency=balance.currency if balance else "",
    )


def _clean(text: str, secret: Secret) -> str:
    """The provider's words without the secret, should it repeat it."""
    plain = secret.reveal()
    for spelled in {plain, quote(plain, safe=""), orjson.dumps(plain).decode()[1:-1]}:
        text = text.replace(spelled, "[key]")
    return text
