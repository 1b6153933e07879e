"""The JSON that keeps a panel current."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from keys.models import User
from tests.pages_usage.conftest import Call
from usage.events import Outcome

pytestmark = pytest.mark.django_db
DATA = "/usage/data/?application=shop"
SignIn = Callable[..., Client]


def total(data: dict[str, Any], name: str) -> int:
    return next(sum(row["data"]) for row in data["outcomes"] if row["name"] == name)


@pytest.mark.parametrize("range_name", ["1h", "6h", "24h", "7d", "30d"])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_a_call_of_now_is_in_the_last_bar_of_every_range(
    client_of: SignIn, viewer: User, call: Call, range_name: str, zone: str
) -> None:
    call(latency_ms=200.0)
    answer = client_of(viewer).get(f"{DATA}&range={range_name}&tz={zone}")
    data = answer.json()
    assert len(data["at"]) == len(data["outcomes"][0]["data"]) == len(data["latency"]["p95"])
    assert data["outcomes"][0]["data"][-1] == 1
    assert data["latency"]["p50"][-1] == pytest.approx(200, rel=0.1)
    assert data["latency"]["p50"][0] is None


def test_the_chart_and_the_tiles_tell_the_same(client_of: SignIn, viewer: User, call: Call) -> None:
    call()
    call(outcome=Outcome.RATE_LIMITED, status=429)
    data = client_of(viewer).get(DATA).json()
    assert (total(data, "ok"), total(data, "rate_limited")) == (1, 1)
    assert "50.0 %" in data["html"]["tiles"]
    assert "1 OK, 1 rate limited" in data["html"]["summary"]


def test_nothing_new_is_answered_with_204_until_a_call_is_stored(
    client_of: SignIn, viewer: User, call: Call
) -> None:
    call()
    client = client_of(viewer)
    url = f"{DATA}&range=30d"
    version = client.get(url).json()["version"]
    assert client.get(f"{url}&seen={version}").status_code == 204
    call()
    assert client.get(f"{url}&seen={version}").json()["outcomes"][0]["data"][-1] == 2


def test_an_unknown_zone_is_utc(client_of: SignIn, viewer: User, call: Call) -> None:
    call()
    for zone in ("Mars/Olympus", "../../etc/passwd", "", "Europe"):
        assert client_of(viewer).get(f"{DATA}&tz={zone}").status_code == 200


def test_what_callers_send_is_escaped(client_of: SignIn, viewer: User, call: Call) -> None:
    call(endpoint="/<script>alert(1)</script>")
    assert "<script>" not in client_of(viewer).get(DATA).json()["html"]["latest"]


def test_it_is_never_cached(client_of: SignIn, viewer: User, call: Call) -> None:
    assert "no-store" in client_of(viewer).get(DATA).headers["Cache-Control"]
