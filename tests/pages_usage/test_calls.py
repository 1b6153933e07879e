"""The explorer: filters in the URL, a cursor to older calls, a live tail."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from keys.models import AppKey, Application, ProviderKey, User
from tests.factories import AppKeyFactory, ProviderKeyFactory
from tests.pages_usage.conftest import Call
from usage.events import Outcome
from usage.views import calls as explorer

pytestmark = pytest.mark.django_db
CALLS = "/calls/"
HTMX = {"HX-Request": "true"}
SignIn = Callable[..., Client]


def shown(page: str) -> list[str]:
    return re.findall(r'id="call-([0-9a-f-]{36})"', page)


def test_calls_are_listed_newest_first(client_of: SignIn, viewer: User, call: Call) -> None:
    old, new = call(ago=timedelta(minutes=5)), call()
    assert shown(client_of(viewer).get(CALLS).text) == [new.id, old.id]


def test_every_filter_narrows(
    client_of: SignIn, viewer: User, call: Call, application: Application
) -> None:
    other_key = AppKeyFactory(application=application)
    openai: ProviderKey = ProviderKeyFactory(application=application, provider="openai")
    call()
    wanted = call(
        app_key=other_key.id,
        provider="openai",
        provider_key=openai.id,
        outcome=Outcome.CALLER_ERROR,
        status=404,
        endpoint="/v1/nothing",
    )
    client = client_of(viewer)
    for query in (
        {"app_key": other_key.id},
        {"provider": "openai"},
        {"provider_key": openai.id},
        {"outcome": "caller_error"},
        {"status": "404"},
        {"endpoint": "/v1/nothing"},
    ):
        assert shown(client.get(CALLS, query).text) == [wanted.id], query
    assert len(shown(client.get(CALLS, {"application": "shop"}).text)) == 2


def test_the_range_bounds_how_far_back_it_looks(
    client_of: SignIn, viewer: User, call: Call
) -> None:
    call(ago=timedelta(hours=30))
    client = client_of(viewer)
    assert shown(client.get(CALLS).text) == []
    assert len(shown(client.get(CALLS, {"range": "7d"}).text)) == 1


def test_a_value_that_makes_no_sense_is_said_at_its_field(
    client_of: SignIn, viewer: User, call: Call
) -> None:
    call()
    page = client_of(viewer).get(CALLS, {"status": "many", "outcome": "sad"}).text
    assert "Write a whole number, such as 60." in page
    assert "There is no “sad” to choose here." in page
    assert len(shown(page)) == 1


def test_a_filter_in_force_is_seen_and_can_be_taken_away(
    client_of: SignIn, viewer: User, call: Call, app_key: AppKey
) -> None:
    call()
    asked = {"app_key": app_key.id, "outcome": "ok", "address": "10.0.0.9", "range": "7d"}
    chips = client_of(viewer).get(CALLS, asked).context["form"].chips
    told = {chip.words: chip.shown for chip in chips}
    assert told == {
        "app key": app_key.name,
        "outcome": "OK",
        "caller’s address": "10.0.0.9",
        "range": "last 7 days",
    }
    without = next(chip.without for chip in chips if chip.name == "outcome")
    assert without == f"/calls/?app_key={app_key.id}&range=7d&address=10.0.0.9"
    page = client_of(viewer).get(CALLS, asked).text
    assert page.count('class="kd-chip"') == len(told)
    assert "kd-chip" not in client_of(viewer).get(CALLS).text


@pytest.mark.parametrize("page", ["calls", "rankings", "usage_panel"])
def test_a_provider_that_there_is_not_is_named_with_the_way_out(
    client_of: SignIn, viewer: User, call: Call, page: str
) -> None:
    call()
    client = client_of(viewer)
    found = client.get(reverse(page), {"provider": "nowhere", "range": "7d"}).text
    assert "No provider goes by the name" in found
    assert "nowhere" in found
    assert f'href="{reverse(page)}?range=7d"' in found
    assert "No provider goes by" not in client.get(reverse(page), {"provider": "openai"}).text


def test_a_filter_that_is_not_there_can_be_taken_away(client_of: SignIn, viewer: User) -> None:
    client = client_of(viewer)
    refused = client.get(CALLS, {"application": "nowhere"})
    assert refused.status_code == 404
    assert f'href="{CALLS}"' in refused.text
    assert "without filters" not in client.get("/nowhere/?application=shop").text


def test_others_calls_are_not_seen(
    client_of: SignIn, viewer: User, outsider: User, call: Call
) -> None:
    call()
    foreign = call(application="elsewhere000")
    assert foreign.id not in shown(client_of(viewer).get(CALLS).text)
    assert shown(client_of(outsider).get(CALLS).text) == []
    assert client_of(outsider).get(CALLS, {"application": "shop"}).status_code == 404


def test_older_calls_come_by_cursor_and_none_twice(
    client_of: SignIn, viewer: User, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explorer, "SHOWN", 2)
    made = [call(ago=timedelta(minutes=minutes)).id for minutes in range(5)]
    client = client_of(viewer)
    page, seen = client.get(CALLS).text, []
    while True:
        seen += shown(page)
        more = re.search(r'hx-get="([^"]+cursor=[^"]+)"', page)
        if not more:
            break
        page = client.get(more[1].replace("&amp;", "&"), headers=HTMX).text
        assert "<html" not in page
    assert seen == made


def test_a_made_up_cursor_is_not_found(client_of: SignIn, viewer: User) -> None:
    assert client_of(viewer).get(CALLS, {"cursor": "zzz"}).status_code == 404


def test_choosing_a_filter_swaps_the_explorer_and_puts_it_into_the_address(
    client_of: SignIn, viewer: User, call: Call
) -> None:
    call()
    query = {"outcome": "ok", "application": "", "range": "24h", "status": ""}
    answer = client_of(viewer).get(CALLS, query, headers=HTMX)
    assert answer.text.lstrip().startswith('<div id="explorer"')
    assert answer.headers["HX-Push-Url"] == "/calls/?outcome=ok"


def test_live_it_names_the_place_from_which_new_calls_follow(
    client_of: SignIn, viewer: User, call: Call
) -> None:
    old = call()
    page = client_of(viewer).get(CALLS, {"live": "on", "outcome": "ok"}).text
    assert shown(page) == [old.id]
    assert 'data-tail="/calls/tail/?outcome=ok&amp;after=2-0"' in page


def test_the_export_keeps_the_filters(client_of: SignIn, viewer: User, call: Call) -> None:
    call()
    client = client_of(viewer)
    query = {"outcome": "ok", "since": "2026-01-01T00:00Z", "live": "on"}
    page = client.get(CALLS, query).text
    kept = "outcome=ok&amp;since=2026-01-01T00%3A00%3A00Z"
    for form in ("csv", "jsonl"):
        assert re.search(rf'href="/calls/export/{form}/\?[^"]*{kept}"', page)
        answer = client.get(f"/calls/export/{form}/", query)
        assert "keydeck-calls-" in answer.headers["Content-Disposition"]
    assert client.get("/calls/export/xml/").status_code == 404


def test_a_file_is_refused_where_a_filter_makes_no_sense(
    client_of: SignIn, viewer: User, call: Call
) -> None:
    call()
    answer = client_of(viewer).get("/calls/export/csv/", {"status": "many", "outcome": "sad"})
    assert answer.status_code == 422
    assert answer.text.splitlines() == [
        "outcome: There is no “sad” to choose here.",
        "status: Write a whole number, such as 60.",
    ]


def test_rare_filters_narrow_too_and_are_open_when_chosen(
    client_of: SignIn, viewer: User, call: Call, app_key: AppKey
) -> None:
    long_ago = call(ago=timedelta(days=9))
    call()
    wanted = call(app_key_version=3, caller="nightly", address="203.0.113.9")
    client = client_of(viewer)
    for query in (
        {"app_key": app_key.id, "version": "3"},
        {"caller": "nightly"},
        {"address": "203.0.113.9"},
        {"request_id": wanted.id},
    ):
        page = client.get(CALLS, query).text
        assert shown(page) == [wanted.id], query
        assert '<details class="kd-filter-more" open>' in page
    assert shown(client.get(CALLS, {"request_id": long_ago.id}).text) == [long_ago.id]
    assert '<details class="kd-filter-more">' in client.get(CALLS).text


def test_a_span_may_be_given_by_its_ends(client_of: SignIn, viewer: User, call: Call) -> None:
    call()
    old = call(ago=timedelta(hours=30))
    at = timezone.now() - timedelta(hours=30)
    ends = {"since": at - timedelta(hours=1), "until": at + timedelta(hours=1)}
    client = client_of(viewer)
    query = {name: value.isoformat() for name, value in ends.items()}
    assert shown(client.get(CALLS, query).text) == [old.id]
    page = client.get(CALLS, {"since": "yesterday"}).text
    assert "A time with its zone is needed" in page


def test_without_a_match_it_says_what_to_do(client_of: SignIn, viewer: User) -> None:
    assert "Widen the range" in client_of(viewer).get(CALLS).text


def test_a_page_of_calls_costs_the_same_queries_however_many(
    client_of: SignIn, viewer: User, call: Call, django_assert_num_queries: Callable[..., object]
) -> None:
    client = client_of(viewer)
    for _ in range(3):
        call()
    # session, user, memberships, applications, two of keys; calls; three of names
    with django_assert_num_queries(10):
        client.get(CALLS, headers=HTMX)
    for _ in range(5):
        call()
    with django_assert_num_queries(10):
        client.get(CALLS, headers=HTMX)


def test_signed_out_one_is_sent_to_sign_in(client: Client) -> None:
    for name in ("calls", "ledger", "usage_panel", "usage_data", "traffic_overview"):
        assert client.get(reverse(name)).status_code == 302
