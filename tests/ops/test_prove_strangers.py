"""Calls without a key, or with one that nobody has: counted, no row each, hardly any disk."""

import json
import subprocess
import sys
from dataclasses import asdict
from typing import Any

import pytest

from keys import tokens
from keys.models.ids import new_id
from tests.live import PATIENCE, ROOT, wait_for
from tests.ops.fleet import Fleet
from tests.ops.flooding import Order
from tests.ops.servers import needs_own_servers

pytestmark = [
    pytest.mark.live,
    pytest.mark.xdist_group("fleet"),
    pytest.mark.timeout(900),  # the first test waits for the fleet
    needs_own_servers,
]
GROWTH = 24 * 2**20  # bytes, most of them PostgreSQL's log of changes, which it uses again


def flood(fleet: Fleet, seconds: float, networks: int = 0) -> dict[str, Any]:
    keys = ["", "sk-no-key-of-ours", *(tokens.new_app_key("live", new_id()) for _ in range(9))]
    ports = [gateway.port for gateway in fleet.gateways]
    order = Order(ports=ports, keys=keys, seconds=seconds, networks=networks)
    command = [sys.executable, "-m", "tests.ops.flooding", json.dumps(asdict(order))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def counted(fleet: Fleet) -> int:
    return fleet.number("SELECT coalesce(sum(requests), 0) FROM usage_strangercount")


def size(fleet: Fleet) -> int:
    """Bytes of spools, database and its log of changes."""
    database = "SELECT pg_database_size(current_database()) + coalesce(sum(size), 0)"
    return fleet.disk.used + fleet.number(f"{database} FROM pg_ls_waldir()")


def proved(fleet: Fleet, seconds: float, networks: int = 0) -> str:
    calls = fleet.number("SELECT count(*) FROM usage_call")
    rows = fleet.number("SELECT count(*) FROM usage_strangercount")
    before, bytes_before = counted(fleet), size(fleet)
    found = flood(fleet, seconds, networks)
    made = sum(found["statuses"].values())
    assert found["statuses"].keys() <= {"401", "429"}, found
    wait_for(lambda: counted(fleet) - before >= made, PATIENCE, f"{made} strangers counted")
    assert counted(fleet) - before == made
    assert fleet.number("SELECT count(*) FROM usage_call") == calls
    more = fleet.number("SELECT count(*) FROM usage_strangercount") - rows
    assert more <= 3 * 2 * (networks or 1)  # of a network: by code, and by the hour if one began
    grown = size(fleet) - bytes_before
    assert grown < GROWTH
    return (
        f"{made / found['seconds']:,.0f} calls/s for {found['seconds']:.0f} s from "
        f"{networks or 1} networks: {made:,} calls {found['statuses']}, all counted, 0 rows of "
        f"calls, {more} rows of counts, {grown / 1024:,.0f} KiB more on disk"
    )


def test_strangers_are_counted_and_leave_no_row(fleet: Fleet) -> None:
    proved(fleet, 1)
    proved(fleet, 1, networks=200)


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_thousands_of_strangers_a_second(fleet: Fleet) -> None:
    print(f"\n{proved(fleet, 20)}\n{proved(fleet, 20, networks=20_000)}")
