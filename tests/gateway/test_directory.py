"""With the database away, known keys go on for a while and unknown ones wait; all can see it."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError

from keys import changes
from keys.models import AppKey, Application
from tests.factories import AppKeyFactory
from tests.gateway.conftest import TEXT2IMG
from tests.gateway.serving import Server, wait_until
from usage.gateway import app, desk, directory, loading, throttle
from usage.gateway.directory import Directory, Entry, Shelf, Unavailable


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bool], None]]:
    """`database(False)` takes it away from the directory's thread; True gives it back."""
    reads = {name: getattr(loading, name) for name in ("app_key", "pool", "spec", "application")}
    current = changes.current

    def away(*_: object) -> None:
        raise OperationalError("the database is away")

    def switch(there: bool) -> None:
        shelves = desk.mine().directory
        shelves.app_keys.load = reads["app_key"] if there else away
        shelves.pools.load = reads["pool"] if there else away
        shelves.specs.load = reads["spec"] if there else away
        monkeypatch.setattr(changes, "current", current if there else away)
        wait_until(lambda: shelves.fresh is there)

    yield switch


def status(gateway: Server, key: str) -> int:
    return gateway.post(TEXT2IMG, json={"key": key, "prompt": "x"}).status_code


def readiness() -> tuple[int, dict[str, str]]:
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request"}

    async def send(message: object) -> None:
        sent.append(dict(message))  # type: ignore[call-overload]

    asyncio.run(app.health({"path": "/readyz"}, receive, send))  # type: ignore[arg-type]
    return int(str(sent[0]["status"])), json.loads(sent[1]["body"])["checks"]  # type: ignore[arg-type]


def test_known_keys_are_served_and_unknown_ones_told_to_wait(
    gateway: Server, application: Application, key: str, database: Callable[[bool], None]
) -> None:
    other = AppKeyFactory(application=application).plaintext
    assert status(gateway, key) == 200
    database(False)
    assert status(gateway, key) == 200
    response = gateway.post(TEXT2IMG, json={"key": other, "prompt": "x"})
    assert (response.status_code, response.json()["error"]["code"]) == (503, "unavailable")
    assert readiness() == (
        200,
        {"database": "stale", "vault": "not asked", "spool": "ok", "limits": "memory"},
    )
    database(True)
    assert status(gateway, other) == 200
    wait_until(lambda: readiness()[1]["database"] == "ok")


def test_a_good_key_is_no_stranger_because_nobody_can_look_it_up(
    gateway: Server,
    application: Application,
    key: str,
    database: Callable[[bool], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(throttle, "REFILL", 0.001)
    assert status(gateway, key) == 200
    other = AppKeyFactory(application=application).plaintext
    database(False)
    desk.mine().throttle._left["127.0.0.0/24"] = (-throttle.OVERDRAFT, time.monotonic())
    assert status(gateway, other) == 503
    assert gateway.post(TEXT2IMG, json={"prompt": "x"}).status_code == 429  # without any key
    database(True)
    assert status(gateway, other) == 429  # too many of its network were looked up


def test_stale_keys_end_with_the_set_time(
    gateway: Server, key: str, database: Callable[[bool], None]
) -> None:
    assert status(gateway, key) == 200
    desk.mine().directory._stale = 1.5
    database(False)
    wait_until(lambda: status(gateway, key) == 503)
    assert readiness()[0] == 503
    assert readiness()[1]["database"] == "away"
    database(True)
    assert status(gateway, key) == 200


def test_guesses_do_not_push_known_keys_out_and_are_bounded() -> None:
    shelf: Shelf[str, str | None] = Shelf(lambda name: None, size=3)
    shelf.put("known", Entry("record", 1))
    for n in range(directory.UNKNOWN_SIZE + 10):
        shelf.put(f"guess {n}", Entry(None, 1))
    assert shelf.get("known") == Entry("record", 1)
    assert shelf.get("guess 0") is None
    assert shelf.get(f"guess {directory.UNKNOWN_SIZE + 9}") is not None
    for n in range(3):
        shelf.put(f"new {n}", Entry("record", 1))
    assert shelf.get("known") is None


def test_a_guess_is_remembered_until_something_changes(transactional_db: None) -> None:
    found = Directory()
    reads: list[str] = []
    found.app_keys.load = lambda lookup: reads.append(lookup)
    try:
        found.start()
        for _ in range(5):
            assert found.find(found.app_keys, "guess") is None
        assert reads == ["guess"]
        changes.bump()
        wait_until(lambda: found.known(found.app_keys, "guess") is None)
        found.find(found.app_keys, "guess")
        assert reads == ["guess", "guess"]
    finally:
        found.stop()


def test_a_process_that_stood_still_does_not_take_the_database_for_away(
    transactional_db: None, app_key: AppKey
) -> None:
    found = Directory()
    try:
        found.start()
        wait_until(lambda: found.fresh)
        for _ in range(20):
            found._seen_at -= 3600
            found._due = 0.0
            assert found.find(found.app_keys, app_key.versions.get().lookup)
            found.app_keys._known.clear()
    finally:
        found.stop()


def test_many_who_ask_at_once_cost_one_read(transactional_db: None, app_key: AppKey) -> None:
    found = Directory()
    reads = []
    load = found.app_keys.load

    def counted(lookup: str) -> object:
        reads.append(lookup)
        return load(lookup)

    found.app_keys.load = counted  # type: ignore[assignment]
    lookup = app_key.versions.get().lookup
    try:
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: found.find(found.app_keys, lookup), range(40)))
    finally:
        found.stop()
    assert {answer.id for answer in answers if answer} == {app_key.id}
    assert len(reads) == 1


def test_nothing_of_plaintext_is_kept(gateway: Server, key: str) -> None:
    assert status(gateway, key) == 200
    kept = desk.mine().directory
    for shelf in (kept.app_keys, kept.pools, kept.specs):
        text = repr(shelf._known) + repr(shelf._empty)  # type: ignore[attr-defined]
        assert key not in text
        assert "realSecretKey" not in text


def test_without_a_first_look_nothing_is_known() -> None:
    found = Directory()
    found.app_keys.put("x", Entry(None, 0))
    assert found.known(found.app_keys, "x") is None
    assert Unavailable.__doc__
