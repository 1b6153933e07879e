"""Names past a day's bound share one: paths and labels are the callers', and each is a row."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import Sum

from tests.ledger.conftest import START, make_event
from usage.events import Outcome
from usage.ingest import bounds, drain
from usage.models import Call, CallerDay, EndpointDay
from usage.rollups import rebuild
from usage.spool import Spool

pytestmark = pytest.mark.django_db
NewSpool = Callable[..., Spool]


def record(spool: Spool, **fields: object) -> None:
    event = make_event(**fields)
    spool.end(spool.begin(event._replace(outcome=Outcome.ABORTED)), event)


def test_endpoints_past_the_bound_are_counted_together(
    new_spool: NewSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "ENDPOINTS", 3)
    spool = new_spool()
    for path in ("/a", "/b", "/c", "/d", "/e", "/a"):
        record(spool, endpoint=path)
    record(spool, endpoint="/d", provider="openai")
    record(spool, endpoint="/d", started_at=START + 86_400_000)
    drain(spool.directory)

    def counts() -> set[tuple[str, str, int]]:
        rows = EndpointDay.objects.values("provider", "endpoint").annotate(n=Sum("requests"))
        return {(row["provider"], row["endpoint"], row["n"]) for row in rows}

    told = counts()
    assert told == {
        ("modelslab", "/a", 2),
        ("modelslab", "/b", 1),
        ("modelslab", "/c", 1),
        ("modelslab", "(other)", 2),
        ("modelslab", "/d", 1),
        ("openai", "/d", 1),
    }
    day = datetime.fromtimestamp(START / 1000, UTC)
    rebuild(day, day + timedelta(days=2), now=day + timedelta(days=2))
    assert counts() == told


def test_the_bound_counts_what_was_stored_before_the_process_began(
    new_spool: NewSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "ENDPOINTS", 2)
    spool = new_spool()
    for path in ("/a", "/b"):
        record(spool, endpoint=path)
    drain(spool.directory)
    bounds.forget()
    for path in ("/b", "/c"):
        record(spool, endpoint=path)
    drain(spool.directory)

    assert set(Call.objects.values_list("endpoint", flat=True)) == {"/a", "/b", "(other)"}


def test_callers_past_the_bound_are_counted_together(
    new_spool: NewSpool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "CALLERS", 2)
    spool = new_spool()
    for caller in ("a", "b", "c", "d", "a"):
        record(spool, caller=caller)
    drain(spool.directory)
    counts = CallerDay.objects.values_list("caller", "requests")
    assert set(counts) == {("a", 2), ("b", 1), ("(other)", 2)}
    assert Call.objects.filter(caller="(other)").count() == 2
