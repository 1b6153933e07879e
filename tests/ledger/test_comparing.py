"""The daily comparison of counts with calls."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from keys.models import AuditEvent
from tests.ledger.conftest import START, make_event
from usage import erasing, stats
from usage.comparing import compare_yesterday
from usage.ingest import drain
from usage.models import Call, Comparison, Erasure, KeyHour
from usage.rollups import compare, rebuild
from usage.spool import Spool

NewSpool = Callable[..., Spool]
NOW = datetime.fromtimestamp(START / 1000, UTC)
TOMORROW = NOW + timedelta(days=1)


@pytest.fixture
def spool(new_spool: NewSpool) -> Spool:
    spool = new_spool()
    for index in range(30):
        event = make_event(started_at=START - index * 900_000, latency_ms=float(index))
        spool.end(spool.begin(event), event)
    drain(spool.directory)
    return spool


@pytest.mark.django_db
def test_a_day_is_compared_once_and_found_identical(
    spool: Spool, capsys: pytest.CaptureFixture[str]
) -> None:
    found = compare_yesterday(TOMORROW)
    assert found is not None
    assert (found.day, found.differences, found.first) == (NOW.date(), 0, "")
    assert found.calls > 0
    assert compare_yesterday(TOMORROW) is None
    assert stats.ledger().compared == found
    call_command("ledger")
    assert f"Counts of {NOW:%Y-%m-%d} UTC compared with its {found.calls} calls: identical." in (
        capsys.readouterr().out
    )


@pytest.mark.django_db
def test_a_difference_is_kept_with_its_first_row(
    spool: Spool, capsys: pytest.CaptureFixture[str]
) -> None:
    KeyHour.objects.filter(at__day=NOW.day).update(requests=7)
    found = compare_yesterday(TOMORROW)
    assert found is not None
    assert found.differences > 1
    assert "usage_keyhour" in found.first
    call_command("ledger", "--json")
    assert '"differences"' in capsys.readouterr().out


def found_on(*ago: int, differences: int = 2) -> list[Comparison]:
    """Comparisons of so many days ago, the first of them the oldest."""
    today = timezone.now().date()
    return [
        Comparison.objects.create(
            day=today - timedelta(days=days),
            checked_at=timezone.now(),
            calls=9,
            differences=differences,
        )
        for days in sorted(ago, reverse=True)
    ]


def told() -> list[str]:
    return [trouble.text for trouble in stats.troubles(stats.ledger())]


@pytest.mark.django_db
def test_a_difference_is_told_until_its_day_is_counted_again() -> None:
    older, _ = found_on(5, 3)
    found_on(2, 1, differences=0)
    assert told() == [
        f"The counts of {older.day}, {older.day + timedelta(days=2)} are not what the calls "
        "add up to: 4 rows differ."
    ]
    at = datetime(older.day.year, older.day.month, older.day.day, tzinfo=UTC)
    rebuild(at, at + timedelta(days=3))
    assert told() == []


@pytest.mark.django_db
def test_a_difference_that_is_acknowledged_is_told_no_more() -> None:
    """As of a day whose calls are gone, which nobody can count again."""
    old, recent = found_on(400, 3)
    gone = stats.troubles(stats.ledger())[1]
    assert str(old.day) in gone.text
    assert "nothing can be counted again" in gone.remedy
    call_command("ledger", "--acknowledge", str(old.day))
    assert AuditEvent.objects.get().target == f"comparison:{old.day}"
    assert [str(recent.day) in text for text in told()] == [True]
    with pytest.raises(CommandError, match="nothing to acknowledge"):
        call_command("ledger", "--acknowledge", str(old.day))


@pytest.mark.django_db
def test_a_day_that_was_counted_again_is_compared_again(spool: Spool) -> None:
    KeyHour.objects.filter(at__day=NOW.day).update(requests=7)
    compare_yesterday(TOMORROW)
    rebuild(NOW, NOW + timedelta(seconds=1), TOMORROW)
    found = compare_yesterday(TOMORROW)
    assert found is not None
    assert found.differences == 0


@pytest.mark.django_db
def test_a_day_is_not_compared_while_an_application_is_being_erased(spool: Spool) -> None:
    erasing.begin("a", "Shop", TOMORROW)
    Call.objects.filter(pk__in=Call.objects.values("pk")[:5]).delete()
    assert compare_yesterday(TOMORROW) is None
    assert not Comparison.objects.exists()
    Erasure.objects.update(finished_at=TOMORROW)
    assert compare_yesterday(TOMORROW) is not None


@pytest.mark.django_db
def test_a_day_that_is_not_settled_yet_is_not_compared(spool: Spool) -> None:
    compare_yesterday(NOW.replace(hour=1))
    assert not Comparison.objects.filter(day__gte=NOW.date() - timedelta(days=1)).exists()


@pytest.mark.django_db(transaction=True)
def test_calls_are_stored_while_a_day_is_compared(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the comparison sees none of them: it reads one moment."""
    stored = []

    def store_more() -> None:
        event = make_event()
        spool.end(spool.begin(event), event)
        stored.append(drain(spool.directory).stored)
        connection.close()

    differences = []
    for difference in compare(NOW - timedelta(days=1), NOW + timedelta(days=1), NOW):
        differences.append(difference)
    assert differences == []

    hours = KeyHour.objects.count()
    real = compare.__globals__["_stored"]

    def meanwhile(*args: object) -> object:
        if not stored:
            thread = threading.Thread(target=store_more)
            thread.start()
            thread.join(60)
        return real(*args)

    monkeypatch.setitem(compare.__globals__, "_stored", meanwhile)
    assert list(compare(NOW - timedelta(days=1), NOW + timedelta(days=1), NOW)) == []
    assert stored == [1]
    assert KeyHour.objects.count() >= hours
