"""Usage, calls and the ledger over REST: the right numbers, of what one may see alone."""

from datetime import timedelta

import pytest

from tests.factories import AppKeyFactory, ApplicationFactory, ProviderKeyFactory
from tests.rest.conftest import NOW
from usage.events import Outcome

pytestmark = pytest.mark.django_db


def test_totals_of_the_last_24_hours(rest, viewer, record):
    record({}, {"outcome": Outcome.KEY_ERROR, "status": 401, "tokens_in": 7})
    record({"outcome": Outcome.DENIED, "status": 429, "latency_ms": 1.0})
    record({"started_at": int((NOW - timedelta(hours=30)).timestamp() * 1000)})

    found = rest(viewer).get("/usage/totals").json

    assert (found["requests"], found["errors"], found["error_rate"]) == (3, 1, 0.5)
    assert found["by_outcome"] == {"ok": 1, "key_error": 1, "denied": 1}
    assert found["latency_ms"]["p50"] == pytest.approx(20, rel=0.2)
    assert (found["bytes_in"], found["bytes_out"], found["tokens_in"]) == (30, 60, 7)
    assert found["tokens_out"] == 0
    assert found["since"].endswith("Z")


def test_a_cost_is_told_in_dollars_and_only_where_one_was_reported(rest, viewer, record):
    client = rest(viewer)
    record({})
    assert client.get("/usage/totals").json["cost_usd"] is None
    record({"cost_nanos": 15}, {"cost_nanos": 1_250_000_000})

    assert client.get("/usage/totals").json["cost_usd"] == 1.250000015
    points = client.get("/usage/series", step="day").json["points"]
    assert [point["cost_usd"] for point in points if point["requests"]] == [1.250000015]
    told = client.get("/calls").json["items"]
    assert [item["cost_usd"] for item in told] == [1.25, 1.5e-08, None]
    one = client.get(f"/calls/{told[0]['request_id']}").json
    assert one["cost_usd"] == 1.25


def test_a_range_may_be_given_with_any_zone(rest, viewer, record):
    record({"started_at": int((NOW - timedelta(hours=30)).timestamp() * 1000)})
    since = (NOW - timedelta(hours=31)).astimezone().isoformat()

    found = rest(viewer).get("/usage/totals", since=since, until=NOW.isoformat()).json
    assert found["requests"] == 1


def test_filters_narrow(rest, owner, record, application, app_key, provider_key):
    other = AppKeyFactory(application=application)
    record({}, {"app_key": other.id}, {"provider": "openai", "provider_key": ""})
    client = rest(owner)

    def requests(**query):
        return client.get("/usage/totals", **query).json["requests"]

    assert requests() == 3
    assert requests(application="shop") == 3
    assert requests(app_key=app_key.id) == 2
    assert requests(provider_key=provider_key.id) == 2
    assert requests(provider="openai") == 1
    assert requests(app_key=other.id, provider="openai") == 0


def test_a_series_has_a_point_per_step(rest, viewer, record, app_key):
    record({}, {}, {"outcome": Outcome.CALLER_ERROR, "status": 422})

    points = rest(viewer).get("/usage/series", step="hour", by="status").json["points"]

    assert len(points) in (25, 26)
    assert sum(point["requests"] for point in points) == 3
    (busy,) = [point for point in points if point["requests"]]
    assert busy["errors"] == 1
    assert busy["by"] == {"200": 2, "422": 1}
    assert busy["at"].endswith(":00:00Z")


@pytest.mark.parametrize(
    "by",
    ["outcome", "app_key", "provider_key", "provider", "endpoint", "application", "caller"],
)
def test_a_series_splits_by_any_dimension(rest, viewer, record, by):
    record({}, {})
    points = rest(viewer).get("/usage/series", step="day", by=by).json["points"]
    assert [sum(point["by"].values()) for point in points if point["requests"]] == [2]


@pytest.mark.parametrize(
    "query",
    [
        {"step": "minute", "since": "2020-01-01T00:00:00Z"},
        {"step": "hour", "since": "2020-01-01T00:00:00Z"},
        {"step": "day", "since": "1970-01-01T00:00:00Z"},
    ],
)
def test_a_step_too_fine_for_the_range_is_named(rest, viewer, query):
    answer = rest(viewer).get("/usage/series", **query)
    assert (answer.status, answer.json["error"]["field"]) == (422, "step")


def test_calls_are_newest_first_and_told_in_full(rest, viewer, record, app_key, provider_key):
    first, last = record({}, {"outcome": Outcome.KEY_ERROR, "status": 402, "code": "key_exhausted"})

    items = rest(viewer).get("/calls").json["items"]

    assert [item["request_id"] for item in items] == [last.id, first.id]
    newest = items[0]
    assert newest["application"] == "shop"
    assert (newest["app_key"], newest["provider_key"]) == (app_key.id, provider_key.id)
    assert (newest["outcome"], newest["status"]) == ("key_error", 402)
    assert "credits" in newest["remedy"]
    assert newest["at"].endswith("Z")
    told = rest(viewer).get(f"/calls/{last.id}").json
    assert told.pop("decisions")[-1]["passed"] is False
    assert told == newest


def test_calls_are_filtered(rest, viewer, record):
    record({}, {"outcome": Outcome.CALLER_ERROR, "status": 422}, {"endpoint": "/api/v6/video"})
    client = rest(viewer)

    def count(**query):
        return len(client.get("/calls", **query).json["items"])

    assert count() == 3
    assert count(outcome="caller_error") == 1
    assert count(status=200) == 2
    assert count(endpoint="/api/v6/video") == 1
    assert count(application="shop", until=(NOW - timedelta(hours=1)).isoformat()) == 0


def test_calls_are_walked_by_cursor(rest, viewer, record):
    made = record(*[{} for _ in range(7)])
    client, seen, cursor = rest(viewer), [], {}
    while True:
        page = client.get("/calls", limit=3, **cursor).json
        seen += [item["request_id"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}

    assert seen == [event.id for event in reversed(made)]


def test_an_outsider_sees_nothing(rest, outsider, record, app_key, provider_key):
    (event,) = record()
    client = rest(outsider)

    assert client.get("/usage/totals").json["requests"] == 0
    assert client.get("/calls").json["items"] == []
    assert client.get(f"/calls/{event.id}").status == 404
    for query in ({"app_key": app_key.id}, {"provider_key": provider_key.id}):
        assert client.get("/usage/totals", **query).status == 404
        assert client.get("/calls", **query).status == 404


def test_a_key_of_another_application_is_not_found(rest, owner, record):
    foreign = ApplicationFactory(slug="foreign")
    key, upstream_key = (
        AppKeyFactory(application=foreign),
        ProviderKeyFactory(application=foreign),
    )
    client = rest(owner)

    assert client.get("/usage/totals", app_key=key.id).status == 404
    assert client.get("/usage/series", provider_key=upstream_key.id).status == 404
    assert client.get("/usage/totals", app_key="nosuchkey000").status == 404


def test_a_site_admin_sees_every_application(rest, admin, record):
    record({}, {"application": ApplicationFactory(slug="other").id, "app_key": ""})
    assert rest(admin).get("/usage/totals").json["requests"] == 2
    assert rest(admin).get("/usage/totals", application="other").json["requests"] == 1


def test_calls_cost_the_same_whatever_they_hold(rest, viewer, record, django_assert_num_queries):
    client = rest(viewer)
    record()
    client.get("/calls")
    for _ in range(2):
        # the token, the applications, the calls, the applications' slugs
        with django_assert_num_queries(4):
            client.get("/calls")
        record(*[{} for _ in range(5)])


def test_the_ledger_balances(rest, admin, record):
    record({}, {}, {})

    found = rest(admin).get("/ledger").json

    assert (found["accepted"], found["stored"], found["pending"]) == (3, 3, 0)
    assert (found["duplicates"], found["lost"]) == (0, 0)
    assert found["lag_seconds"] == 0
