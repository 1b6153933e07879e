"""What a panel says of the time before, of whose the errors are, and of what calls cost."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from keys import lifecycle
from keys.audit import Actor
from keys.lifecycle import PriceGiven
from keys.models import AppKey, Application, User
from tests.pages_usage.conftest import Call
from usage.events import Outcome
from usage.templatetags.traffic import change

SignIn = Callable[..., Client]
HTMX = {"HX-Request": "true"}
PANEL = "/usage/panel/?application=shop"
BEFORE = timedelta(hours=30)


@pytest.mark.parametrize(
    ("now", "before", "meaning", "points", "told", "tone"),
    [
        (12, 10, "", False, "▲ 20 %", ""),
        (9, 10, "bad", False, "▼ 10 %", "good"),
        (0.31, 0.30, "bad", True, "▲ 1.0 points", "bad"),
        (0.0, 0.5, "bad", True, "▼ 50 points", "good"),
        (1000, 1000.1, "bad", False, "as before", ""),
        (5, 0, "", False, "", ""),
        (5, None, "", False, "", ""),
    ],
)
def test_a_change_has_a_direction_and_only_errors_and_slowness_a_meaning(
    now: float, before: float | None, meaning: str, points: bool, told: str, tone: str
) -> None:
    found = change(now, before, meaning, points)
    assert told in found
    assert ("kd-change-good" in found) == (tone == "good")
    assert ("kd-change-bad" in found) == (tone == "bad")
    assert ("than before" in found) == ("▲" in told or "▼" in told)


def test_tiles_say_how_they_moved(client_of: SignIn, viewer: User, call: Call) -> None:
    for _ in range(2):
        call(ago=BEFORE)
    for _ in range(3):
        call(latency_ms=50.0)
    page = client_of(viewer).get(PANEL, headers=HTMX).text
    assert "▲ 50 %" in page
    assert "kd-change-bad" in page  # slower


def test_without_a_time_before_nothing_moved(client_of: SignIn, viewer: User, call: Call) -> None:
    call()
    assert "kd-change" not in client_of(viewer).get(PANEL, headers=HTMX).text


def test_errors_are_told_by_whose_they_are(client_of: SignIn, viewer: User, call: Call) -> None:
    call()
    assert "kd-faults" not in client_of(viewer).get(PANEL, headers=HTMX).text
    for outcome in (Outcome.CALLER_ERROR, Outcome.RATE_LIMITED, Outcome.KEY_ERROR):
        call(outcome=outcome, status=400)
    page = client_of(viewer).get(PANEL, headers=HTMX).text
    faults = page[page.index("kd-faults") : page.index("kd-cause")]
    assert "Caller <strong>1</strong>" in faults
    assert "Key <strong>2</strong>" in faults
    assert "Provider <strong>" not in faults
    assert 'x="33.3" width="66.7"' in faults


def test_an_estimate_says_that_it_is_one(client_of: SignIn, viewer: User, call: Call) -> None:
    lifecycle.set_prices(
        Actor.system("test"),
        "modelslab",
        [PriceGiven(pattern="/api/*", per_call=Decimal("0.0047"))],
    )
    call()
    call(endpoint="/free")
    page = client_of(viewer).get(PANEL, headers=HTMX).text
    assert "$0.00470" in page
    assert "by the prices set here, as they are now; 1 call without a price" in page


def test_a_panel_is_narrowed_by_its_address_and_says_so(
    client_of: SignIn, viewer: User, call: Call
) -> None:
    call(endpoint="/a")
    call(endpoint="/b")
    page = client_of(viewer).get(f"{PANEL}&endpoint=/a").text
    assert "1 request in the last 24 hours" in page
    assert "kd-chip" in page
    assert 'data-url="/usage/data/?application=shop&amp;endpoint=%2Fa' in page


def test_what_is_not_counted_together_says_what_to_do(
    client_of: SignIn, viewer: User, application: Application, app_key: AppKey
) -> None:
    client = client_of(viewer)
    query = {"application": "shop", "endpoint": "/a", "caller": "nightly"}
    assert "not counted together" in client.get(reverse("usage_panel"), query).text
    assert "not counted together" in client.get(reverse("usage_table"), query).text
    assert client.get(reverse("usage_data"), query).status_code == 422


def test_the_data_tells_how_many_calls_were_under_way(
    client_of: SignIn, viewer: User, call: Call
) -> None:
    call(ago=timedelta(hours=3), latency_ms=1_800_000.0)
    data = client_of(viewer).get("/usage/data/?application=shop").json()
    assert len(data["busy"]) == len(data["at"])
    assert sum(data["busy"]) == pytest.approx(0.5, abs=0.01)
    table = client_of(viewer).get("/usage/table/?application=shop").text
    assert "Under way" in table
