"""The database stopped under load: no call fails, none is lost, all come home in order."""

import time
from itertools import groupby

import pytest

from tests.live import SLACK, wait_for
from tests.ops.fleet import Fleet, Load
from tests.ops.servers import needs_own_servers

pytestmark = [
    pytest.mark.live,
    pytest.mark.xdist_group("fleet"),
    pytest.mark.timeout(300),  # the first test waits for the fleet
    needs_own_servers,
]
# Seconds between a call's end, as its row has it, and the end of the one written before it: calls
# that end together are written in any order.
TOGETHER = 1.0


def stopped(fleet: Fleet, load: Load, seconds: float) -> tuple[int, int]:
    """Stops the database for so long; returns the calls answered and the bytes spooled then."""
    wait_for(lambda: load.count() > 100, 30, "some calls")
    fleet.postgres.down()
    before, full = load.count(), fleet.disk.used
    time.sleep(seconds)
    spooled, answered = fleet.disk.used - full, load.count() - before
    fleet.postgres.up()
    return answered, spooled


def furthest_back(fleet: Fleet, began: float) -> float:
    """Seconds by which a transaction stored a call that ended before one of an earlier transaction.

    Of calls since `began` (seconds of the epoch), of the same gateway. Transactions are told apart
    by their numbers, which rise.
    """
    batches = fleet.postgres.query(
        "SELECT app_key, min(ended), max(ended) FROM ("
        "  SELECT app_key, xmin::text::bigint AS batch,"
        "    extract(epoch FROM started_at)::float8 + latency_ms / 1000 AS ended FROM usage_call"
        ") AS calls GROUP BY app_key, batch ORDER BY app_key, batch"
    )
    furthest = 0.0
    for _, of_key in groupby(batches, key=lambda row: row[0]):
        latest = began
        for _, first, last in of_key:
            if last > began:
                furthest = max(furthest, latest - max(first, began))
                latest = max(latest, last)
    return furthest


def proved(fleet: Fleet, load: Load) -> str:
    answers = load.answers
    failed = [one for one in answers if one.status != 200]
    assert not failed, failed[:3]
    ledger, stored = fleet.settled(), fleet.stored()
    assert all(stored.get(one.id) == "ok" for one in answers)
    assert ledger["lost"] == ledger["duplicates"] == ledger["quarantined"] == 0
    assert ledger["accepted"] == ledger["stored"] == len(stored)
    assert fleet.counts_differ() == ""
    back = furthest_back(fleet, load.began)
    assert back < TOGETHER
    return f"{len(answers):,} calls, 0 failed, 0 lost, in order (at most {back:.2f} s out of it)"


def test_without_the_database_calls_go_on_and_are_counted_later(fleet: Fleet) -> None:
    with fleet.calling("outage", per_second=100) as load:
        answered, _ = stopped(fleet, load, 2)
        assert answered > 50
    proved(fleet, load)
    fleet.all_up()


@pytest.mark.prove
@pytest.mark.timeout(600)
def test_a_database_away_for_a_minute_at_500_calls_a_second(fleet: Fleet) -> None:
    seconds = 60
    with fleet.calling("minute", per_second=500, callers=12) as load:
        answered, spooled = stopped(fleet, load, seconds)
        back = time.monotonic()
        behind = fleet.ledger()["pending"]
        wait_for(lambda: fleet.ledger()["lag_seconds"] < 2, 60 * SLACK, "the drainer catches up")
        took = time.monotonic() - back
    print(
        f"\ndatabase stopped for {seconds} s: {answered / seconds:.0f} calls/s answered meanwhile "
        f"(500 were offered), {spooled / 2**20:.1f} MiB spooled, {behind:,} calls pending, "
        f"home {took:.1f} s after its return while calls went on\n{proved(fleet, load)}"
    )
    fleet.all_up()
