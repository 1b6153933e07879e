"""`kill -9` of any process at random, under load: every call is stored once, as it was counted."""

import random
import time
from collections import Counter

import pytest

from tests.live import PATIENCE, wait_for
from tests.ops.calling import Answer
from tests.ops.fleet import Fleet
from tests.ops.servers import needs_own_servers

pytestmark = [
    pytest.mark.live,
    pytest.mark.xdist_group("fleet"),
    pytest.mark.timeout(900),  # the first test waits for the fleet
    needs_own_servers,
]
VICTIMS = ("gateway1", "gateway2", "drainer", "worker", "beat", "redis", "postgres", "backend")
# A gateway that was just started, with the database away, can ask nobody whose key a call has.
# Such a call is nobody's, and no row.
NOBODYS = ("unavailable",)


def strike(fleet: Fleet, luck: random.Random, kills: int, longest: float) -> Counter[str]:
    """Kills so often, and starts again as a supervisor would; returns who was killed."""
    struck: Counter[str] = Counter()
    while struck.total() < kills:
        time.sleep(luck.uniform(0.05, longest))
        fleet.revive()
        victim = luck.choice(VICTIMS)
        name = "postgres" if victim == "backend" else victim
        if not fleet.fit(name):
            continue
        if victim == "backend":
            fleet.postgres.kill_backend()
        else:
            fleet[name].kill()
        struck[victim] += 1
    return struck


def proved(fleet: Fleet, answered: list[Answer]) -> str:
    """Holds the answers, the provider's count, the calls, the counts and the accounts together."""
    ledger, stored, seen = fleet.settled(), fleet.stored(), fleet.seen()
    received = [one for one in answered if one.status and one.code not in NOBODYS]
    ids = Counter(one.id for one in received)
    assert len(ids) == len(received), "an id was given to two calls"
    missing = [one for one in received if one.id not in stored]
    assert not missing, f"{len(missing)} lost: {Counter((m.status, m.code) for m in missing)}"
    outcomes = Counter(stored.values())
    asked = len(stored) - outcomes["denied"]
    # A call is begun before the provider is asked, so that it saw no call which isn't stored. One
    # that isn't denied was seen, unless its process was killed in between (aborted) or nobody
    # could be reached.
    unseen = outcomes["aborted"] + outcomes["network_error"]
    assert max(seen.values()) == 1, "the provider was asked twice for one call"
    assert asked - unseen <= len(seen) <= asked
    assert ledger["lost"] == ledger["quarantined"] == ledger["duplicates"] == 0
    assert ledger["accepted"] == ledger["stored"] == len(stored)
    assert fleet.counts_differ() == ""
    cut = sum(one.status == 0 for one in answered)
    return (
        f"{len(answered):,} calls made: {len(ids):,} answered with an id and stored once (0 lost, "
        f"0 doubled), {cut:,} cut off, {len(answered) - cut - len(ids):,} refused while nobody "
        f"could say whose they were\n"
        f"{len(stored):,} calls stored {dict(outcomes)}, {len(seen):,} seen by the provider: "
        f"{asked - unseen:,} ≤ {len(seen):,} ≤ {asked:,}\n"
        f"ledger: accepted {ledger['accepted']:,} = stored {ledger['stored']:,}, lost "
        f"{ledger['lost']}, broken lines {ledger['broken']}; counts made again from calls: "
        f"0 differences"
    )


def test_kills_of_every_process_lose_and_double_nothing(fleet: Fleet) -> None:
    with fleet.calling("kills", per_second=150) as load:
        wait_for(lambda: load.count() > 50, PATIENCE, "some calls")
        strike(fleet, random.Random(3), kills=5, longest=0.3)
        fleet.all_up()
        before = load.count()
        wait_for(lambda: load.count() > before + 50, PATIENCE, "calls after the kills")
    proved(fleet, load.answers)


@pytest.mark.prove
@pytest.mark.timeout(1800)
def test_two_hundred_kills_lose_and_double_nothing(fleet: Fleet) -> None:
    seed = random.randrange(10**6)
    print(f"\nkills at random, seed {seed}")
    started = time.monotonic()
    with fleet.calling("many-kills", per_second=300) as load:
        struck = strike(fleet, random.Random(seed), kills=200, longest=2.5)
        fleet.all_up()
    took = time.monotonic() - started
    print(f"{struck.total()} kills in {took:.0f} s: {dict(struck)}")
    print(proved(fleet, load.answers))
