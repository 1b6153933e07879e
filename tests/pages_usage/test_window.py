"""A panel tells of the time up to now, to the moment, as REST and the commands do."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from keys.models import Application
from tests.ledger.conftest import make_event
from usage import stats
from usage.charts import RANGES
from usage.events import Outcome
from usage.stats import Filter
from usage.views.figures import busiest, chart_data, figures, read_breakdown
from usage.views.scope import Scope

pytestmark = pytest.mark.django_db
Store = Callable[..., None]


@pytest.fixture
def now() -> datetime:
    """In the midst of a bar, whatever its width."""
    return timezone.now().replace(hour=13, minute=32, second=31) - timedelta(days=1)


def store_around(store: Store, application: Application, since: datetime, now: datetime) -> None:
    """Three calls in the range, one of them in its first moment; and one that was before it."""
    before = since - timedelta(hours=1)
    times = [(before, "ok"), (since, "key_error"), (since + (now - since) / 2, "ok"), (now, "ok")]
    store(
        *(
            make_event(
                application=application.id,
                started_at=int(at.timestamp() * 1000),
                outcome=Outcome(outcome),
                status=200 if outcome == "ok" else 401,
            )
            for at, outcome in times
        )
    )


@pytest.mark.parametrize("name", list(RANGES))
def test_tiles_causes_and_ranking_agree_with_totals(
    store: Store, application: Application, now: datetime, name: str
) -> None:
    scope = Scope(range=RANGES[name], ids=[application.id])
    since = now - scope.range.length
    store_around(store, application, since, now)
    asked = Filter(applications=[application.id], since=since, until=now)
    totals = stats.totals(asked, now)
    assert (totals.requests, totals.errors) == (3, 1)

    found = read_breakdown(scope, now)
    shown = figures(scope, now, found)
    assert shown["totals"] == totals
    assert shown["quantiles"] == totals.latency_ms
    assert [(cause.outcome, cause.requests) for cause in shown["causes"]] == [("key_error", 1)]
    assert [row.sums.requests for row in busiest(scope, now)] == [3]


@pytest.mark.parametrize("name", list(RANGES))
def test_the_bars_add_up_to_the_tiles(
    store: Store, application: Application, now: datetime, name: str
) -> None:
    scope = Scope(range=RANGES[name], ids=[application.id])
    store_around(store, application, now - scope.range.length, now)
    rows = chart_data(scope, read_breakdown(scope, now), scope.bars(now))["outcomes"]
    bars = [sum(column) for column in zip(*(row["data"] for row in rows), strict=True)]
    assert (bars[0], bars[-1], sum(bars)) == (1, 1, 3)
