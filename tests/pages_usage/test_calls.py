"""The explorer: filters in the URL, a cursor to older calls, a live tail."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from keys.models import Application, ProviderKey, User
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
    assert "Enter a whole number." in page
    assert len(shown(page)) == 1


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


def test_the_live_tail_answers_only_when_there_is_news(
    client_of: SignIn, viewer: User, call: Call
) -> None:
    call()
    client = client_of(viewer)
    page = client.get(CALLS, {"live": "on"}).text
    found = re.search(r'hx-get="(/calls/\?live=on&amp;seen=[^"]+)" hx-trigger="kd:tick', page)
    assert found
    url = found[1].replace("&amp;", "&")
    assert client.get(url, headers=HTMX).status_code == 204
    new = call()
    assert shown(client.get(url, headers=HTMX).text)[0] == new.id


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
