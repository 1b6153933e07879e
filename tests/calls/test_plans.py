"""Which index serves which filter of the explorer: the database is asked how it would read."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from tests.calls.conftest import keep
from tests.ledger.conftest import make_event
from usage.events import CallEvent, Outcome
from usage.models import Call
from usage.stats import Filter, Wanted, calls, raw

pytestmark = [pytest.mark.django_db, pytest.mark.xdist_group("plans")]
NOW = timezone.now()
DAY = Filter(since=NOW - timedelta(hours=2), until=NOW + timedelta(hours=1))
BEHIND = (NOW, UUID(int=1))


@pytest.fixture(scope="module", autouse=True)
def _calls_of_many(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """As the planner meets them: of many, most of them well. Stored once for all tests here, in a
    transaction around theirs."""
    outcomes = [*Outcome, *[Outcome.OK] * 60]
    events = [
        make_event(
            application=f"app{number % 97}",
            app_key=f"ak{number % 101}",
            provider_key=f"pk{number % 89}",
            outcome=outcomes[number % len(outcomes)],
            started_at=int((NOW - timedelta(seconds=number)).timestamp() * 1000),
        )
        for number in range(5000)
    ]
    with django_db_blocker.unblock(), transaction.atomic():
        keep(events)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE usage_call" if connection.vendor == "postgresql" else "ANALYZE")
        yield
        transaction.set_rollback(True)


def plan(f: Filter, behind: Any = None) -> str:
    """How a page of calls is read, as the database puts it, with what it looks up by."""
    sql, params = raw._rows(f, behind, 50).query.sql_with_params()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # A table of a few rows is read whole, whatever its indexes.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
            cursor.execute(f"EXPLAIN (COSTS OFF) {sql}", params)
            return "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def looked_up(told: str) -> set[str]:
    """The columns that an index is entered by."""
    if connection.vendor == "postgresql":
        found = " ".join(re.findall(r"Index Cond: (.*)", told))
        return set(re.findall(r"\(?(?:usage_call\w*\.)?(\w+)(?:\)::text)? (?:=|<|>|<=|>=) ", found))
    inside = " ".join(re.findall(r"USING (?:COVERING )?INDEX \w+ \((.*)\)", told))
    return set(re.findall(r"(\w+)[=<>]", inside))


@pytest.mark.parametrize("behind", [None, BEHIND], ids=["first page", "later page"])
@pytest.mark.parametrize(
    ("chosen", "by"),
    [
        ({}, "started_at"),
        ({"applications": ["app3"]}, "application started_at"),
        ({"app_key": "ak3"}, "app_key started_at"),
        ({"provider_key": "pk3"}, "provider_key started_at"),
        ({"outcome": Outcome.KEY_ERROR}, "outcome started_at"),
        (
            {"applications": ["app3"], "outcome": Outcome.KEY_ERROR},
            "application outcome started_at",
        ),
        ({"app_key": "ak3", "outcome": Outcome.KEY_ERROR}, "app_key outcome started_at"),
        (
            {"provider_key": "pk3", "outcome": Outcome.ABORTED},
            "outcome provider_key started_at",
        ),
        ({"app_key": "ak3", "outcome": Outcome.OK}, "app_key started_at"),
        # What has no index of its own is looked for among those of its key or application.
        ({"app_key": "ak3", "status": 402}, "app_key started_at"),
        ({"app_key": "ak3", "provider": "p", "endpoint": "/e"}, "app_key started_at"),
        ({"app_key": "ak3", "app_key_version": 2}, "app_key started_at"),
        ({"applications": ["app3"], "caller": "nightly"}, "application started_at"),
    ],
    ids=str,
)
def test_a_filter_enters_an_index_and_needs_no_sort(
    chosen: dict[str, Any], by: str, behind: Any
) -> None:
    told = plan(replace(DAY, **chosen), behind)
    assert looked_up(told) == set(by.split()), told
    assert "Sort" not in told and "TEMP B-TREE" not in told, told


def test_one_call_is_found_by_its_id() -> None:
    told = plan(Wanted(request_id=UUID(int=7)))
    assert "id" in looked_up(told), told


def test_calls_of_several_applications_are_merged_newest_first(
    made: Callable[..., CallEvent], django_assert_num_queries: Callable[..., Any]
) -> None:
    applications = [f"app{number:09}" for number in range(4)]
    events = [
        made(application=applications[number % 4], ago=timedelta(minutes=number))
        for number in range(40)
    ]
    Call.objects.all().delete()
    keep(events)
    f = replace(DAY, applications=applications[:3])
    wanted = [event.id for event in events if event.application in applications[:3]]
    with django_assert_num_queries(1):
        first = calls(f, limit=20)
    second = calls(f, first.next, limit=20)
    assert [str(row.id) for row in (*first.items, *second.items)] == wanted
    assert isinstance(first.items[0], Call)
