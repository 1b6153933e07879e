"""No room for spools: callers are told, the provider isn't asked, and it goes on by itself."""

from collections import Counter

import pytest

from tests.live import PATIENCE, Reply, ask, wait_for
from tests.ops.fleet import Fleet
from tests.ops.servers import needs_own_servers

pytestmark = [
    pytest.mark.live,
    pytest.mark.xdist_group("fleet"),
    pytest.mark.timeout(900),  # the first test waits for the fleet
    needs_own_servers,
]


def readiness(fleet: Fleet) -> list[Reply]:
    return [ask("GET", f"http://127.0.0.1:{one.port}/readyz") for one in fleet.gateways]


def proved(fleet: Fleet, per_second: int, calls: int) -> str:
    """Fills the disk until so many calls were refused, then frees it."""
    if not fleet.disk.is_small:
        pytest.skip("needs the right to mount a file system")
    with fleet.calling(f"disk{calls}", per_second=per_second) as load:
        wait_for(lambda: load.count() > 50, PATIENCE, "some calls")
        fleet.disk.fill()
        at = load.count()
        wait_for(lambda: load.count() > at + calls, PATIENCE, "calls on a full disk")
        told = readiness(fleet)
        fleet.disk.free()
        at = load.count()
        wait_for(lambda: load.count() > at + 50, PATIENCE, "calls with room again")
        wait_for(lambda: all(one.status == 200 for one in readiness(fleet)), PATIENCE, "readiness")
    assert [one.status for one in told] == [503, 503]
    assert {one.json()["checks"]["spool"] for one in told} == {"failing"}
    ledger, stored, seen, answers = fleet.settled(), fleet.stored(), fleet.seen(), load.answers
    statuses = Counter((one.status, one.code) for one in answers)
    assert statuses.keys() == {(200, "-"), (503, "unavailable")}
    assert all(one.status == 200 for one in answers[-40:])
    for one in answers:
        if one.status == 200:
            assert (stored[one.id], seen[one.mark]) == ("ok", 1)
        else:  # there may have been room again for the record of its refusal
            assert (stored.get(one.id, "denied"), seen[one.mark]) == ("denied", 0)
    assert ledger["lost"] == ledger["quarantined"] == ledger["broken"] == 0
    assert fleet.counts_differ() == ""
    refused = statuses[503, "unavailable"]
    return (
        f"full disk: {refused:,} calls answered 503 “unavailable” and not passed on to the "
        f"provider, readyz 503 (spool failing); {statuses[200, '-']:,} calls answered 200, each "
        f"stored as ok; ready by itself with room again; lost 0, broken lines 0"
    )


def test_a_full_disk_refuses_calls_and_recovers(fleet: Fleet) -> None:
    proved(fleet, per_second=100, calls=50)


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_a_full_disk_under_load(fleet: Fleet) -> None:
    print("\n" + proved(fleet, per_second=300, calls=6000))
