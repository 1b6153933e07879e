"""The live tail: calls as they are stored, without a gap or a repeat, until the right ends."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client as Browser
from django.utils import timezone

from keys.models import ApiToken, AppKey, Application, Membership, User
from tests.calls.conftest import Answer, Client, keep
from tests.factories import ApiTokenFactory
from tests.ledger.conftest import new_spool, spools
from tests.live import PATIENCE
from usage.events import CallEvent, Outcome
from usage.ingest import arrivals, drain
from usage.models import Arrival
from usage.spool import Spool
from usage.tail import following, hub, reading

__all__ = ["new_spool", "spools"]  # fixtures
pytestmark = pytest.mark.django_db(transaction=True)
TAIL = "/api/v1/calls/tail"
Made = Callable[..., CallEvent]
Store = Callable[..., Awaitable[None]]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "EVERY", 0.03)
    monkeypatch.setattr(hub, "LONGEST_PAUSE", 0.1)
    monkeypatch.setattr(following, "RIGHTS", 0.05)


@pytest.fixture
def store(new_spool: Callable[..., Spool]) -> Iterator[Store]:
    """`await store(event, …)`: one batch, drained as the product does."""
    writer = new_spool()

    def keep(events: tuple[CallEvent, ...]) -> None:
        for event in events:
            writer.end(writer.begin(event), event)
        drain(writer.directory)

    yield lambda *events: there(keep, events)


async def there(work: Callable[..., Any], *given: Any) -> Any:
    """In a thread, as Django's own work is done."""

    def done() -> Any:
        try:
            return work(*given)
        finally:
            connection.close()

    return await asyncio.to_thread(done)


def told(answer: Answer, name: str = "call") -> list[dict[str, Any]]:
    """The data of the events of a name, with their id."""
    found = []
    for block in answer.body.decode().split("\n\n"):
        lines = dict(line.partition(": ")[::2] for line in block.split("\n"))
        if lines.get("event") == name:
            found.append(json.loads(lines["data"]) | {"event id": lines.get("id")})
    return found


def ids(answer: Answer) -> list[str]:
    return [call["request_id"] for call in told(answer)]


async def until(what: Callable[[], Any]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, "it did not come"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def following_(client: Client, path: str = TAIL, **headers: str) -> Any:
    """An open tail; hangs up behind."""
    answer, left = Answer(), asyncio.Event()
    task = asyncio.create_task(client.ask(answer, path, left, **headers))
    answer.task = task  # type: ignore[attr-defined]
    try:
        await until(lambda: told(answer, "open") or task.done())
        yield answer
    finally:
        left.set()
        await task


def test_calls_come_as_they_are_stored_in_that_order(token: str, made: Made, store: Store) -> None:
    async def scenario() -> None:
        await store(made())  # before: not told
        async with following_(Client(token)) as answer:
            slow, quick = made(ago=timedelta(minutes=5)), made(ago=timedelta())
            await store(quick)
            await store(slow)  # begun long before the other
            await until(lambda: len(told(answer)) == 2)
            assert ids(answer) == [quick.id, slow.id]
            assert answer.headers["Content-Type"] == "text/event-stream"
            assert "Content-Length" not in answer.headers

    asyncio.run(scenario())


def test_what_a_caller_calls_itself_breaks_no_event(token: str, made: Made, store: Store) -> None:
    async def scenario() -> None:
        async with following_(Client(token)) as answer:
            odd = "a\u2028b\u2029c\x85d"
            await store(made(user_agent=odd))
            await until(lambda: told(answer))
            assert told(answer)[0]["user_agent"] == odd

    asyncio.run(scenario())


def test_the_filter_is_respected(
    token: str, made: Made, store: Store, application: Application, app_key: AppKey
) -> None:
    async def scenario() -> None:
        query = f"?app_key={app_key.id}&outcome=key_error&status=402"
        async with following_(Client(token), TAIL + query) as answer:
            wanted = made(outcome=Outcome.KEY_ERROR, status=402)
            await store(
                made(),
                made(outcome=Outcome.KEY_ERROR, status=401),
                made(outcome=Outcome.KEY_ERROR, status=402, app_key=""),
                made(outcome=Outcome.KEY_ERROR, status=402, application="elsewhere000"),
                wanted,
            )
            await until(lambda: told(answer))
            assert ids(answer) == [wanted.id]

    asyncio.run(scenario())


def test_it_resumes_at_any_event_without_a_gap_or_a_repeat(
    token: str, made: Made, store: Store
) -> None:
    async def scenario() -> None:
        client = Client(token)
        events = [made() for _ in range(6)]
        async with following_(client) as answer:
            await store(*events[:4])
            await until(lambda: len(told(answer)) == 4)
        await store(*events[4:])
        whole = [event.id for event in events]
        for place in told(answer, "open") + told(answer):
            async with following_(client, last_event_id=place["event id"]) as again:
                seen = ids(answer).index(place["request_id"]) + 1 if "request_id" in place else 0
                await until(lambda seen=seen, again=again: len(told(again)) == 6 - seen)
                assert ids(again) == whole[seen:]
        place = told(answer)[2]["event id"]
        async with following_(client, f"{TAIL}?after={place}") as again:
            await until(lambda: len(told(again)) == 3)

    asyncio.run(scenario())


def test_one_that_was_away_too_long_is_told_so(token: str, made: Made, store: Store) -> None:
    async def scenario() -> None:
        await store(made())
        await store(made())
        await there(Arrival.objects.filter(number=1).delete)
        async with following_(Client(token), last_event_id="1-0") as answer:
            await until(lambda: told(answer, "missed"))

    asyncio.run(scenario())


def test_many_followers_share_one_reader(
    token: str, made: Made, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following.places, "each", 20)
    threads: set[str] = set()
    read = reading.read

    def noted(place: reading.Place) -> reading.News:
        import threading

        threads.add(threading.current_thread().name)
        return read(place)

    monkeypatch.setattr(hub, "read", noted)

    async def scenario() -> None:
        import contextlib

        async with contextlib.AsyncExitStack() as stack:
            client = Client(token)
            open_ = [await stack.enter_async_context(following_(client)) for _ in range(20)]
            before = time.thread_time()
            await store(*[made() for _ in range(3)])
            await until(lambda: all(len(told(answer)) == 3 for answer in open_))
            assert time.thread_time() - before < 5
        assert len(threads) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("end", ["revoked", "expired", "inactive", "member no more"])
def test_it_ends_with_the_right_to_it(
    token: str, viewer: User, application: Application, end: str
) -> None:
    acts: dict[str, Callable[[], Any]] = {
        "revoked": lambda: ApiToken.objects.update(revoked_at="2020-01-01T00:00Z"),
        "expired": lambda: ApiToken.objects.update(expires_at="2020-01-01T00:00Z"),
        "inactive": lambda: User.objects.filter(pk=viewer.pk).update(is_active=False),
        "member no more": Membership.objects.all().delete,
    }

    async def scenario() -> None:
        async with following_(Client(token), f"{TAIL}?application=shop") as answer:
            await there(acts[end])
            await until(lambda: answer.whole)
            assert told(answer, "end")[0]["message"]

    asyncio.run(scenario())


def test_what_one_may_no_longer_see_is_not_told(
    token: str, made: Made, store: Store, viewer: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "RIGHTS", -1.0)  # at every turn
    turns, look = 0, following.Tail._look_at_rights

    async def counted(tail: following.Tail, hub: hub.Hub) -> None:
        nonlocal turns
        turns += 1
        await look(tail, hub)

    monkeypatch.setattr(following.Tail, "_look_at_rights", counted)

    async def more(count: int) -> None:
        goal = turns + count
        await until(lambda: turns >= goal)

    async def scenario() -> None:
        async with following_(Client(token)) as answer:
            await there(Membership.objects.filter(user=viewer).delete)
            await more(2)  # one of which began since
            await store(made())
            await more(4)  # the reader has been at it, and what it found was offered
            assert not told(answer)

    asyncio.run(scenario())


def test_the_database_away_is_said_and_outlived(
    token: str, made: Made, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = reading.read

    def away(_: reading.Place) -> reading.News:
        raise OperationalError("connection refused")

    async def scenario() -> None:
        async with following_(Client(token)) as answer:
            monkeypatch.setattr(hub, "read", away)
            event = made()
            await store(event)
            await until(lambda: told(answer, "away"))
            monkeypatch.setattr(hub, "read", read)
            await until(lambda: told(answer))
            assert told(answer, "back")
            assert ids(answer) == [event.id]

    asyncio.run(scenario())


def test_no_person_takes_all_places(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following.places, "each", 1)

    async def scenario() -> None:
        async with following_(Client(token)), following_(Client(token)) as second:
            assert second.status == 429
        async with following_(Client(token)) as third:
            assert third.status == 200

    asyncio.run(scenario())


@pytest.mark.parametrize("query", ["after=zzz", "after=1", "outcome=sad", "limit=5"])
def test_bad_input_is_named(token: str, query: str) -> None:
    assert Client(token).get(f"{TAIL}?{query}").status == 422


def test_nobody_else_gets_one(outsider: User) -> None:
    client = Client(ApiTokenFactory(user=outsider).plaintext)
    assert client.get(f"{TAIL}?application=shop").status == 404
    assert Client("").get(TAIL).status == 401


def test_silence_is_broken_by_a_heartbeat(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "STILL_HERE", 0.05)

    async def scenario() -> None:
        async with following_(Client(token)) as answer:
            await until(lambda: answer.body.count(b": still here\n\n") > 2)

    asyncio.run(scenario())


def test_the_page_gets_rows_until_its_session_ends(viewer: User, made: Made, store: Store) -> None:
    browser = Browser()
    browser.force_login(viewer)
    cookies = "; ".join(f"{one.key}={one.value}" for one in browser.cookies.values())

    async def scenario() -> None:
        async with following_(Client(cookies=cookies), "/calls/tail/") as answer:
            event = made()
            await store(event)
            await until(lambda: f'id="call-{event.id}"'.encode() in answer.body)
            await there(browser.logout)
            await until(lambda: answer.whole)
            assert told(answer, "end")

    asyncio.run(scenario())


def test_what_is_stored_between_two_looks_is_not_passed_over(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, event = reading.newest, made(ago=timedelta())

    def look_then_store() -> reading.Place:
        found = look()
        monkeypatch.setattr(reading, "newest", look)
        arrivals.announce(keep([event]), timezone.now())
        return found

    begun = reading.newest()
    monkeypatch.setattr(reading, "newest", look_then_store)
    first = reading.read(begun)
    second = reading.read(first.behind)
    assert [str(call.id) for _, call in first.calls + second.calls] == [event.id]
    assert not first.missed and not second.missed


def test_old_arrivals_are_let_go_of(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "EVERY", 3)
    for minutes in (40, 30, 20):
        arrivals.announce(keep([made()]), timezone.now() - timedelta(minutes=minutes))
    arrivals.announce(keep([made()]), timezone.now())
    assert set(Arrival.objects.values_list("number", flat=True)) == {3, 4}
