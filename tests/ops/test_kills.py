"""`kill -9` of any one process: it comes back, and no recorded call is lost or doubled."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.live import PATIENCE, SLACK, Keydeck, alive, wait_for
from tests.ops.starting import again

__all__ = ["again"]  # a fixture
from tests.ops.load import Load

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]
CHILDREN = ("web", "worker", "beat", "sandbox", "guardian")


def _kill(keydeck: Keydeck, name: str) -> None:
    """Kills a child and expects another in its place within 2 s."""
    pid = keydeck.pids()[name]
    os.kill(pid, signal.SIGKILL)
    wait_for(
        lambda: keydeck.pids().get(name, pid) != pid and not alive(pid),
        2 * SLACK,
        f"a new {name} process",
    )


def _all_drained(keydeck: Keydeck) -> bool:
    ledger = keydeck.call("GET", "/ledger").json()
    return bool(ledger["pending"] == 0 and ledger["lag_seconds"] == 0)


def _settled(keydeck: Keydeck, slug: str, ids: list[str]) -> None:
    """Every id a caller received is stored exactly once, and the counts agree with the calls."""
    wait_for(lambda: _all_drained(keydeck), PATIENCE, "everything drained")
    account = keydeck.call("GET", "/ledger").json()
    assert account["lost"] == 0
    [(application,)] = keydeck.query("SELECT id FROM keys_application WHERE slug = ?", slug)
    rows = keydeck.query("SELECT id FROM usage_call WHERE application = ?", application)
    stored = [str(row[0]).replace("-", "") for row in rows]
    assert len(stored) == len(set(stored))
    assert {one.replace("-", "") for one in ids} <= set(stored)
    [(counted,)] = keydeck.query(
        "SELECT SUM(requests) FROM usage_keyday WHERE application = ?", application
    )
    assert counted == len(stored)


@pytest.mark.parametrize("name", CHILDREN)
def test_a_killed_process_is_replaced_within_two_seconds(keydeck: Keydeck, name: str) -> None:
    _kill(keydeck, name)


def test_kills_under_load_lose_and_double_nothing(keydeck: Keydeck) -> None:
    slug, key = keydeck.connect()
    with Load(keydeck, key) as load:
        wait_for(lambda: len(load.ids) > 50, PATIENCE, "some calls")
        for name in ("web", "worker"):
            _kill(keydeck, name)
            before = len(load.ids)
            wait_for(lambda: len(load.ids) > before + 50, PATIENCE, f"calls after {name}'s death")  # noqa: B023
    _settled(keydeck, slug, load.ids)


def test_a_killed_supervisor_loses_and_doubles_nothing(again: Keydeck) -> None:
    with again as keydeck:
        slug, key = keydeck.connect()
        with Load(keydeck, key) as load:
            wait_for(lambda: len(load.ids) > 50, PATIENCE, "some calls")
            children = keydeck.pids()
            keydeck.send(signal.SIGKILL)
            wait_for(lambda: not any(map(alive, children.values())), PATIENCE, "the children's end")
        keydeck.start()
        _settled(keydeck, slug, load.ids)


@pytest.mark.prove
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", CHILDREN)
def test_many_kills_under_load_lose_and_double_nothing(keydeck: Keydeck, name: str) -> None:
    slug, key = keydeck.connect()
    with Load(keydeck, key) as load:
        for _ in range(10):
            time.sleep(6)  # long enough that a start counts as a good one
            _kill(keydeck, name)
            before = len(load.ids)
            wait_for(lambda: len(load.ids) > before + 50, PATIENCE, "calls after the kill")  # noqa: B023
    _settled(keydeck, slug, load.ids)
    print(f"{name}: 10 kills, {len(load.ids)} calls answered, {load.failures} cut, none lost")


def _checks(keydeck: Keydeck) -> int:
    [(count,)] = keydeck.query("SELECT COALESCE(SUM(times), 0) FROM keys_check")
    return int(count)


def _stands(pid: int) -> bool:
    """Whether the signal to stop has reached every thread."""
    states = [file.read_text() for file in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(state.rpartition(")")[2].split()[0] == "T" for state in states)


def test_a_stopped_worker_stops_the_checks_and_a_started_one_resumes_them(
    keydeck: Keydeck,
) -> None:
    before = _checks(keydeck)
    wait_for(lambda: _checks(keydeck) > before, PATIENCE, "a check")
    worker = keydeck.pids()["worker"]
    os.kill(worker, signal.SIGSTOP)
    try:
        wait_for(lambda: _stands(worker), PATIENCE, "every thread of the worker to stand still")
        stopped = _checks(keydeck)
        time.sleep(6)  # three intervals
        assert _checks(keydeck) == stopped
    finally:
        os.kill(worker, signal.SIGCONT)
    wait_for(lambda: _checks(keydeck) > stopped, PATIENCE, "a check after the worker goes on")
