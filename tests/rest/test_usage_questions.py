"""What REST answers beyond sums: the time before, zones, rankings, spend, balances."""

from datetime import timedelta
from decimal import Decimal

import pytest

from keys import lifecycle
from keys.audit import Actor
from keys.lifecycle import PriceGiven
from keys.models import AppKey, Balance
from tests.factories import AppKeyFactory, ProviderKeyFactory
from tests.rest.conftest import NOW
from usage.events import Outcome

pytestmark = pytest.mark.django_db


def ms(**ago):
    return int((NOW - timedelta(**ago)).timestamp() * 1000)


def price(dollars="1"):
    lifecycle.set_prices(
        Actor.system("test"), "modelslab", [PriceGiven(pattern="*", per_call=Decimal(dollars))]
    )


def test_totals_compare_with_the_time_before(rest, viewer, record):
    record({}, {}, {"started_at": ms(hours=30), "outcome": Outcome.KEY_ERROR, "status": 401})
    client = rest(viewer)

    assert client.get("/usage/totals").json["previous"] is None
    found = client.get("/usage/totals", compare="previous").json

    assert (found["requests"], found["previous"]["requests"]) == (2, 1)
    assert found["previous"]["error_rate"] == 1.0
    assert found["previous"]["until"] == found["since"]
    assert client.get("/usage/totals", compare="never").status == 422


def test_totals_tell_whose_the_errors_are_and_how_busy_it_was(rest, viewer, record):
    record({"outcome": Outcome.RATE_LIMITED, "status": 429}, {"latency_ms": 43_200_000.0})
    found = rest(viewer).get("/usage/totals").json
    assert found["by_fault"] == {"caller": 0, "key": 1, "provider": 0, "between": 0}
    assert found["concurrency"] == pytest.approx(0.5, rel=0.01)


def test_totals_estimate_the_cost_by_the_prices_of_today(rest, viewer, record):
    record({}, {})
    client = rest(viewer)
    found = client.get("/usage/totals").json
    assert (found["cost_estimate_usd"], found["requests_without_price"]) == (None, 2)
    price("0.25")
    found = client.get("/usage/totals").json
    assert (found["cost_estimate_usd"], found["requests_without_price"]) == (0.5, 0)
    assert client.get("/usage/totals", caller="nobody").json["cost_estimate_usd"] is None


def test_filters_of_all_kinds_narrow(rest, owner, record, app_key):
    record(
        {"endpoint": "/a", "app_key_version": 2, "caller": "nightly"},
        {"outcome": Outcome.KEY_ERROR, "status": 402},
    )
    client = rest(owner)
    for query in (
        {"endpoint": "/a"},
        {"outcome": "key_error"},
        {"status": 402},
        {"caller": "nightly"},
        {"app_key": app_key.id, "version": 2},
    ):
        assert client.get("/usage/totals", **query).json["requests"] == 1, query
        points = client.get("/usage/series", **query).json["points"]
        assert sum(point["requests"] for point in points) == 1, query


def test_what_is_not_counted_together_is_a_clear_refusal(rest, viewer, app_key):
    client = rest(viewer)
    for path, query in (
        ("/usage/totals", {"endpoint": "/a", "caller": "nightly"}),
        ("/usage/series", {"by": "version", "step": "day"}),
        ("/usage/top", {"by": "caller", "order": "latency"}),
        ("/usage/top", {"by": "endpoint", "app_key": app_key.id, "version": 1}),
    ):
        answer = client.get(path, **query)
        assert (answer.status, answer.json["error"]["field"]) == (422, "by"), path
        assert "Not counted together" in answer.json["message"]
    answer = client.get("/usage/totals", version=1)
    assert (answer.status, answer.json["error"]["field"]) == (422, "version")


def test_days_begin_at_midnight_of_the_zone_asked_for(rest, viewer, record):
    record({})
    client = rest(viewer)
    points = client.get("/usage/series", step="day", tz="Asia/Tokyo").json["points"]
    assert {point["at"][11:] for point in points} == {"15:00:00Z"}
    assert sum(point["requests"] for point in points) == 1
    for wrong in ("Mars/Base", "../etc/passwd", "Europe"):
        answer = client.get("/usage/series", step="day", tz=wrong)
        assert (answer.status, answer.json["error"]["field"]) == (422, "tz"), wrong


def test_a_series_by_application_speaks_of_slugs(rest, viewer, record):
    record({})
    points = rest(viewer).get("/usage/series", step="day", by="application").json["points"]
    assert [point["by"] for point in points if point["requests"]] == [{"shop": 1}]


def test_the_top_is_told_in_order_with_all_its_sums(rest, viewer, record, application):
    other = AppKeyFactory(application=application)
    price()
    record({}, {"app_key": other.id}, {"app_key": other.id, "latency_ms": 900.0})
    client = rest(viewer)

    items = client.get("/usage/top", by="app_key").json["items"]

    assert [item["requests"] for item in items] == [2, 1]
    assert items[0]["value"] == other.id
    assert items[0]["cost_estimate_usd"] == 2.0
    assert items[0]["latency_ms"]["p95"] == pytest.approx(900, rel=0.1)
    assert items[0]["by_fault"]["provider"] == 0
    last = client.get("/usage/top", by="app_key", direction="bottom", limit=1).json["items"]
    assert [item["requests"] for item in last] == [1]
    assert client.get("/usage/top", by="app_key", at_least=2).json["items"][0]["value"] == other.id
    slugs = client.get("/usage/top", by="application", order="cost").json["items"]
    assert [item["value"] for item in slugs] == ["shop"]


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 501}, {"order": "x"}, {"by": "x"}])
def test_a_ranking_that_can_not_be_is_refused(rest, viewer, query):
    answer = rest(viewer).get("/usage/top", **query)
    assert (answer.status, answer.json["error"]["field"]) == (422, next(iter(query)))


def test_nobody_ranks_what_they_may_not_see(rest, outsider, record, app_key):
    record({})
    client = rest(outsider)
    assert client.get("/usage/top").json["items"] == []
    assert client.get("/usage/top", app_key=app_key.id).status == 404
    assert client.get("/usage/top", application="shop").status == 404


def test_a_key_that_leads_tells_its_first_and_last_day(rest, viewer, record):
    record({}, {"started_at": ms(days=3)})
    (item,) = rest(viewer).get("/usage/top").json["items"]
    assert item["first_day"] == f"{NOW - timedelta(days=3):%Y-%m-%d}T00:00:00Z"
    assert item["last_day"] == f"{NOW - timedelta(minutes=30):%Y-%m-%d}T00:00:00Z"


def test_quiet_keys_are_listed(rest, viewer, outsider, app_key, provider_key):
    client = rest(viewer)
    assert client.get("/usage/quiet").json["items"] == []
    AppKey.objects.update(created_at=NOW - timedelta(days=9))
    (item,) = client.get("/usage/quiet", days=7).json["items"]
    assert (item["id"], item["application"], item["last_used_at"]) == (app_key.id, "shop", None)
    assert client.get("/usage/quiet", days=7, kind="provider_key").json["items"] == []
    assert rest(outsider).get("/usage/quiet", days=7).json["items"] == []
    assert rest(outsider).get("/usage/quiet", application="shop").status == 404
    assert client.get("/usage/quiet", days=0).status == 422


def test_a_balance_is_told_beside_our_count(rest, viewer, record, provider_key):
    price()
    for hours, dollars in ((2, 50), (0, 43)):
        Balance.objects.create(
            key=provider_key,
            version=1,
            at=NOW - timedelta(hours=hours),
            nanos=dollars * 10**9,
            currency="USD",
        )
    record({}, {})
    path = f"/applications/shop/provider-keys/{provider_key.id}/balance"

    found = rest(viewer).get(path).json

    assert [point["balance"] for point in found["points"]] == [50, 43]
    assert (found["currency"], found["fell"], found["counted"]) == ("USD", 7, 2)
    assert (found["unexplained"], found["outside"]) == (5, True)
    assert found["per_day"] == pytest.approx(84)
    assert found["empty_at"].endswith("Z")
    assert found["keys_of_the_secret"] == 1
    assert rest(viewer).get(path, since=NOW.isoformat()).json["points"][0]["balance"] == 43


def test_a_key_whose_provider_tells_no_balance_has_no_points(rest, viewer, provider_key):
    path = f"/applications/shop/provider-keys/{provider_key.id}/balance"
    found = rest(viewer).get(path).json
    assert (found["points"], found["counted"], found["empty_at"]) == ([], None, None)


def test_a_balance_of_a_key_one_may_not_see_is_not_found(rest, viewer, outsider, provider_key):
    path = f"/applications/shop/provider-keys/{provider_key.id}/balance"
    assert rest(outsider).get(path).status == 404
    foreign = ProviderKeyFactory()
    assert rest(viewer).get(path.replace(provider_key.id, foreign.id)).status == 404


def test_the_new_questions_are_documented(rest, viewer):
    document = rest(viewer).get("/openapi.json").json
    paths = document["paths"]
    for path in ("/api/v1/usage/top", "/api/v1/providers/{provider}/prices"):
        assert path in paths
    totals = document["components"]["schemas"]["TotalsOut"]["properties"]
    assert {"by_fault", "concurrency", "cost_estimate_usd", "previous"} <= totals.keys()
    asked = {one["name"] for one in paths["/api/v1/usage/series"]["get"]["parameters"]}
    assert {"tz", "endpoint", "outcome", "status", "version", "caller"} <= asked


def test_what_is_not_kept_so_finely_is_said(rest, viewer, record, app_key):
    record({"app_key_version": 2, "caller": "nightly"})
    client = rest(viewer)
    mine = {"app_key": app_key.id}

    assert client.get("/usage/totals", **mine).json["not_kept"] == {}
    found = client.get("/usage/totals", **mine, version=2).json
    assert found["latency_ms"] == {"p50": None, "p95": None, "p99": None}
    assert found["not_kept"] == {"latency_ms": ["version"], "cost_estimate_usd": ["version"]}
    found = client.get("/usage/series", status=200, outcome="ok").json
    assert found["not_kept"] == {"latency_ms": ["outcome", "status"]}
    found = client.get("/usage/top", by="caller").json
    assert found["not_kept"] == {"latency_ms": ["caller"], "cost_estimate_usd": ["caller"]}
    told = client.get("/openapi.json").json["components"]["schemas"]["LatencyOut"]["description"]
    assert "version" in told


def test_a_filter_that_names_nothing_says_which_and_where_to_look(rest, viewer, record):
    record({})
    client = rest(viewer)
    for path in ("/usage/totals", "/usage/series", "/usage/top", "/calls"):
        for field, place in (
            ("provider", "GET /api/v1/providers"),
            ("application", "GET /api/v1/applications"),
            ("app_key", "/app-keys lists them"),
            ("provider_key", "/provider-keys lists them"),
        ):
            answer = client.get(path, **{field: "nope"})
            assert (answer.status, answer.json["error"]["field"]) == (404, field), path
            assert "“nope”" in answer.json["message"]
            assert place in answer.json["message"]


def test_calls_of_a_provider_that_is_no_longer_built_in_are_still_counted(rest, viewer, record):
    old = ProviderKeyFactory(provider="sandbox-of-old")
    record({"provider": old.provider})
    assert rest(viewer).get("/usage/totals", provider=old.provider).json["requests"] == 1
