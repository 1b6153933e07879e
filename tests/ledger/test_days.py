"""Calls in days on PostgreSQL; late and early calls; what is let go of, on both engines."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, close_old_connections, connection, transaction
from django.utils import timezone

from tests.ledger.conftest import START, make_event
from usage import partitions, retention, stats
from usage.events import Outcome
from usage.ingest import drain
from usage.models import Call, KeyDay, Quarantine, SpoolWriter, Trimmed
from usage.rollups import compare
from usage.spool import Spool

NewSpool = Callable[..., Spool]
DAY = timedelta(days=1)
NOW = datetime.fromtimestamp(START / 1000, UTC)


def record(spool: Spool, **fields: object) -> str:
    event = make_event(**fields)
    spool.end(spool.begin(event._replace(outcome=Outcome.ABORTED)), event)
    return event.id


@pytest.mark.django_db
def test_a_call_from_before_what_is_kept_is_counted_without_a_row(new_spool: NewSpool) -> None:
    Trimmed.objects.create(pk=1, calls_before=NOW.replace(hour=0, minute=0, second=0))
    spool = new_spool()
    record(spool)
    record(spool, started_at=START - 86_400_000)
    done = drain(spool.directory)

    assert (done.stored, done.late) == (1, 1)
    assert Call.objects.count() == 1
    assert sum(KeyDay.objects.values_list("requests", flat=True)) == 2
    ledger = stats.ledger()
    assert (ledger.accepted, ledger.stored, ledger.late) == (2, 1, 1)
    assert (ledger.lost, ledger.pending) == (0, 0)
    assert list(compare(NOW, NOW + timedelta(minutes=1), NOW)) == []


@pytest.mark.django_db
def test_a_call_of_the_future_is_quarantined_with_the_reason(new_spool: NewSpool) -> None:
    spool = new_spool()
    soon, far = timezone.now() + timedelta(hours=30), timezone.now() + timedelta(days=400)
    record(spool, started_at=int(soon.timestamp() * 1000))
    record(spool, started_at=int(far.timestamp() * 1000))
    assert drain(spool.directory).stored == 1
    assert "future" in Quarantine.objects.get().reason


@pytest.mark.django_db
def test_an_id_is_found_wherever_its_call_lies(new_spool: NewSpool) -> None:
    spool = new_spool()
    wrong_clock = record(spool)  # its id is of now, its start of START
    drain(spool.directory)
    found = stats.call(wrong_clock, None)
    assert found is not None
    assert found.started_at.date() == NOW.date()


@pytest.mark.django_db
def test_an_id_is_the_key_of_a_call_whatever_the_engine() -> None:
    call = {"id": make_event().id, "started_at": timezone.now(), "outcome": "ok"}
    Call.objects.create(**call)
    with pytest.raises(IntegrityError), transaction.atomic():
        Call.objects.create(**call)


@pytest.fixture
def in_days(transactional_db: None) -> Iterator[None]:
    if not partitions.in_use():
        pytest.skip("SQLite has one table")
    partitions.forget()
    yield
    partitions.drop_before(NOW.date() + DAY)
    partitions.forget()


def test_a_day_is_made_when_its_first_call_comes_and_dropped_when_its_time_is_over(
    in_days: None, new_spool: NewSpool
) -> None:
    spool = new_spool()
    record(spool)
    drain(spool.directory)
    assert NOW.date() in partitions.existing()

    assert retention.trim(timezone.now()) > 0
    assert NOW.date() not in partitions.existing()
    assert Call.objects.count() == 0

    record(spool)
    assert drain(spool.directory).late == 1
    assert NOW.date() not in partitions.existing()


def test_today_and_the_next_days_are_made_ahead(in_days: None) -> None:
    retention.trim(timezone.now())
    today = timezone.now().date()
    assert {today + DAY * ahead for ahead in range(4)} <= partitions.existing()


def test_a_day_that_was_dropped_behind_a_processs_back_is_made_again(
    in_days: None, new_spool: NewSpool
) -> None:
    spool = new_spool()
    record(spool)
    drain(spool.directory)
    partitions.drop_before(NOW.date() + DAY)
    record(spool)
    assert drain(spool.directory).stored == 1
    assert SpoolWriter.objects.get().quarantined == 0


def test_a_day_that_a_crash_left_half_dropped_is_dropped(in_days: None) -> None:
    partitions.make([NOW.date()])
    name = f"usage_call_{NOW:%Y%m%d}"
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE usage_call DETACH PARTITION {name} CONCURRENTLY")
    assert partitions.drop_before(NOW.date() + DAY) == 1
    partitions.make([NOW.date()])
    assert NOW.date() in partitions.existing()


def longest_stall(new_spool: NewSpool, old: int, rate: int, seconds: float) -> tuple[float, float]:
    """Seconds that a drain took at most while a day of `old` calls was let go of, and in the
    `seconds` before."""
    day = timezone.now() - 40 * DAY
    fill(day, old)
    spool = new_spool()

    def drain_for(seconds: float, done: threading.Event) -> float:
        longest, until = 0.0, time.monotonic() + seconds
        while time.monotonic() < until and not done.is_set():
            for _ in range(rate // 10):
                record(spool, started_at=int(timezone.now().timestamp() * 1000))
            started = time.monotonic()
            drain(spool.directory)
            longest = max(longest, time.monotonic() - started)
            done.wait(0.1)
        return longest

    before = drain_for(seconds, threading.Event())
    done = threading.Event()

    def trim() -> None:
        try:
            while Call.objects.filter(started_at__lt=timezone.now() - 39 * DAY).exists():
                retention.trim()
        finally:
            close_old_connections()
            connection.close()
            done.set()

    thread = threading.Thread(target=trim)
    thread.start()
    during = drain_for(600, done)
    thread.join()
    assert Call.objects.filter(started_at__lt=timezone.now() - 39 * DAY).count() == 0
    return before, during


def fill(day: datetime, calls: int) -> None:
    """A day of calls, by SQL."""
    if partitions.in_use():
        partitions.make([day.date()])
        numbers, key = f"generate_series(1, {calls}) n", "gen_random_uuid()"
        at = "%s::timestamptz + n * interval '1 millisecond'"
    else:
        numbers = (
            f"(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {calls}) "  # noqa: S608 - ours
            "SELECT n FROM s)"
        )
        key, at = "lower(hex(randomblob(16)))", "%s || printf('.%%06d', n %% 1000000)"
    start = day.strftime("%Y-%m-%d 01:00:00")
    told = "source application app_key provider provider_key method endpoint caller address "
    told += "user_agent outcome code message tried"
    zeros = "app_key_version provider_key_version status latency_ms first_byte_ms bytes_in "
    zeros += "bytes_out tokens_in tokens_out attempts"
    columns = ", ".join(["id", "started_at", *told.split(), *zeros.split()])
    values = ", ".join([key, at, *["'x'"] * len(told.split()), *["0"] * len(zeros.split())])
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO usage_call ({columns}) SELECT {values} FROM {numbers}",  # noqa: S608 - ours
            [start],
        )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("old", "rate", "seconds"),
    [
        (5_000, 100, 0.5),
        pytest.param(
            1_000_000, 500, 10, marks=[pytest.mark.prove, pytest.mark.timeout(1800)], id="a million"
        ),
    ],
)
def test_ingest_goes_on_while_a_day_of_calls_is_let_go_of(
    new_spool: NewSpool, old: int, rate: int, seconds: float
) -> None:
    before, during = longest_stall(new_spool, old, rate, seconds)
    print(
        f"\n{old:,} calls let go of ({connection.vendor}) at {rate} calls/s: longest drain "
        f"{during * 1000:.0f} ms, {before * 1000:.0f} ms without"
    )
    ledger = stats.ledger()
    assert (ledger.lost, ledger.pending, ledger.late) == (0, 0, 0)
    assert ledger.stored == ledger.accepted
