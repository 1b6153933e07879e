"""Rankings: exact, whatever they leave unread."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keys import lifecycle
from keys.audit import Actor
from keys.lifecycle import PriceGiven
from tests.stats.conftest import NOW, Store, call, calls, lately
from usage import stats
from usage.events import Outcome
from usage.models import KeyDay, KeyHour, KeyMinute

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def ranked(by: str, order: str = "requests", **options: object) -> list[str]:
    f = options.pop("f", lately())
    return [group.value for group in stats.top(f, by, order, now=NOW, **options)]  # type: ignore[arg-type]


def test_the_busiest_come_first_with_all_that_is_told_of_them(store: Store) -> None:
    store(
        *calls(3, app_key="three", latency_ms=20.0),
        *calls(2, app_key="two", outcome=Outcome.KEY_ERROR, status=401),
        call(app_key="one"),
    )
    found = stats.top(lately(), "app_key", limit=2, now=NOW)
    assert [(group.value, group.requests, group.errors) for group in found] == [
        ("three", 3, 0),
        ("two", 2, 2),
    ]
    assert found[0].latency_ms.p95 == pytest.approx(20, rel=0.1)
    assert ranked("app_key", bottom=True, limit=2) == ["one", "two"]


def test_what_lies_outside_the_range_but_in_its_days_counts_for_nothing(store: Store) -> None:
    store(*calls(9, 25 * HOUR, app_key="yesterday"), *calls(2, app_key="today"))
    store(call(23 * HOUR, app_key="yesterday"))
    assert ranked("app_key") == ["today", "yesterday"]
    assert ranked("app_key", limit=1) == ["today"]


@pytest.mark.parametrize(
    ("order", "first"),
    [
        ("requests", "many"),
        ("errors", "bad"),
        ("error_rate", "worst"),
        ("latency", "slow"),
        ("bytes", "large"),
        ("tokens", "wordy"),
        ("cost", "dear"),
    ],
)
def test_everything_can_be_ranked_by(store: Store, order: str, first: str) -> None:
    lifecycle.set_prices(
        Actor.system("test"), "openai", [PriceGiven(pattern="*", per_call=Decimal(1))]
    )
    error = {"outcome": Outcome.UPSTREAM_ERROR, "status": 502}
    store(
        *calls(9, app_key="many"),
        *calls(4, app_key="bad"),
        *calls(3, app_key="bad", **error),
        *calls(2, app_key="worst", **error),
        call(app_key="slow", latency_ms=90_000.0),
        call(app_key="large", bytes_out=10**9),
        call(app_key="wordy", tokens_in=5000),
        call(app_key="dear", provider="openai"),
    )
    assert ranked("app_key", order)[0] == first


@pytest.mark.parametrize(
    "by", ["application", "provider", "endpoint", "status", "outcome", "caller"]
)
def test_every_dimension_can_be_ranked(store: Store, by: str) -> None:
    values: dict[str, list[object]] = {"status": [200, 201], "outcome": list(Outcome)[:2]}
    one, other = values.get(by, ["one", "other"])
    store(*calls(2, **{by: one}), call(**{by: other}))
    assert ranked(by) == [str(one), str(other)]


def test_versions_are_ranked_of_one_key(store: Store) -> None:
    store(*calls(2, app_key_version=2), call(app_key_version=1))
    assert ranked("version", f=lately(app_key="ak0000000001")) == ["2", "1"]
    with pytest.raises(stats.Unanswerable):
        ranked("version")


def test_what_is_nobodys_is_not_ranked(store: Store) -> None:
    store(*calls(3, app_key="", caller="", provider_key=""), call(caller="nightly"))
    for by in ("app_key", "provider_key", "caller"):
        assert "" not in ranked(by), by
        assert len(ranked(by)) == 1


def test_a_rate_of_few_calls_can_be_left_out(store: Store) -> None:
    store(
        call(app_key="few", outcome=Outcome.KEY_ERROR, status=401),
        *calls(9, app_key="many"),
        call(app_key="many", outcome=Outcome.KEY_ERROR, status=401),
    )
    assert ranked("app_key", "error_rate") == ["few", "many"]
    assert ranked("app_key", "error_rate", at_least=10) == ["many"]


def test_what_can_not_be_asked_is_said() -> None:
    for by, order in (("password", "requests"), ("app_key", "beauty")):
        with pytest.raises(ValueError, match="must be one of"):
            ranked(by, order)
    with pytest.raises(stats.Unanswerable):
        ranked("caller", "latency")


Counts = dict[str, list[int]]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    counts=st.dictionaries(
        st.sampled_from([f"key{number:02}" for number in range(30)]),
        st.lists(st.integers(0, 30), min_size=3, max_size=3),
    ),
    limit=st.integers(1, 8),
)
def test_leaving_keys_unread_changes_nothing(db: None, counts: Counts, limit: int) -> None:
    """Any keys with any counts before the range, in an hour of it and in its last minutes."""
    _fill(counts)
    inside = Counter({key: hour + minute for key, (_, hour, minute) in counts.items()})
    wanted = sorted((n for n in inside.values() if n), reverse=True)[:limit]
    found = stats.top(lately(), "app_key", limit=limit, now=NOW)
    assert [group.requests for group in found] == wanted
    assert all(inside[group.value] == group.requests for group in found)


def test_the_threshold_leaves_most_keys_unread(db: None) -> None:
    _fill({f"key{number:04}": [1, 1, 0] for number in range(500)} | {"busy": [0, 900, 0]})
    with CaptureQueriesContext(
        connection,
    ) as queries:
        found = stats.top(lately(), "app_key", limit=1, now=NOW)
    assert (found[0].value, found[0].requests) == ("busy", 900)
    exact = [query["sql"] for query in queries if "keyhour" in query["sql"]]
    assert exact and all("IN (" in sql for sql in exact)


def _fill(counts: Counts) -> None:
    """Rows of counts alone: a day's is all of its hours, an hour's all of its minutes."""
    times = (
        NOW.replace(minute=0, second=0) - 26 * HOUR,
        NOW.replace(minute=0, second=0) - 5 * HOUR,
        NOW.replace(minute=5, second=0),
    )
    for model in (KeyMinute, KeyHour, KeyDay):
        model.objects.all().delete()
    days: Counter[tuple[str, object]] = Counter()
    rows: dict[type, list[object]] = {KeyMinute: [], KeyHour: [], KeyDay: []}
    for key, numbers in counts.items():
        for at, requests in zip(times, numbers, strict=True):
            if requests:
                told = _told(key, requests)
                rows[KeyMinute].append(KeyMinute(at=at, **told))
                rows[KeyHour].append(KeyHour(at=at.replace(minute=0), **told))
                days[key, at.replace(hour=0, minute=0)] += requests
    for (key, day), requests in days.items():
        rows[KeyDay].append(KeyDay(at=day, **_told(key, requests)))
    for model, made in rows.items():
        model.objects.bulk_create(made)  # type: ignore[attr-defined]


def _told(key: str, requests: int) -> dict[str, object]:
    return {
        "app_key": key,
        "application": "app000000001",
        "provider": "modelslab",
        "provider_key": "pk0000000001",
        "outcome": "ok",
        "status": 200,
        "requests": requests,
    }
