"""Calls that belong to nobody: a count per network and hour, never a row each."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from usage import retention
from usage.ingest import count_stranger, flush_strangers, strangers
from usage.models import Call, StrangerCount

pytestmark = pytest.mark.django_db
# The second network of a flush.
REFUSE = {
    "sqlite": "CREATE TRIGGER away BEFORE INSERT ON usage_strangercount"
    " WHEN NEW.network LIKE '198.51.100.0/24' BEGIN SELECT RAISE(ABORT, 'away'); END",
    "postgresql": "ALTER TABLE usage_strangercount"
    " ADD CONSTRAINT away CHECK (network <> '198.51.100.0/24')",
}
ALLOW = {
    "sqlite": "DROP TRIGGER away",
    "postgresql": "ALTER TABLE usage_strangercount DROP CONSTRAINT away",
}


@pytest.fixture(autouse=True)
def _nothing_counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    strangers._counts.clear()
    monkeypatch.setattr(strangers, "_hour", None)
    yield
    strangers._counts.clear()


def counts() -> dict[tuple[str, str], int]:
    return {(row.network, row.code): row.requests for row in StrangerCount.objects.all()}


def test_ten_thousand_calls_are_one_row_per_network() -> None:
    for number in range(10_000):
        count_stranger(f"10.0.{number % 2}.{number % 200}", "invalid_key")
    assert flush_strangers() == 10_000
    assert counts() == {
        ("10.0.0.0/24", "invalid_key"): 5000,
        ("10.0.1.0/24", "invalid_key"): 5000,
    }
    assert Call.objects.count() == 0


def test_what_is_flushed_adds_up() -> None:
    for _ in range(3):
        count_stranger("192.0.2.7", "key_required", 2)
        flush_strangers()
    assert counts() == {("192.0.2.0/24", "key_required"): 6}


def test_a_flush_that_fails_midway_counts_once_in_the_end() -> None:
    count_stranger("192.0.2.7", "key_required")
    count_stranger("198.51.100.7", "key_required")
    with connection.cursor() as cursor:
        cursor.execute(REFUSE[connection.vendor])
        try:
            with pytest.raises(DatabaseError):
                flush_strangers()
        finally:
            cursor.execute(ALLOW[connection.vendor])
    assert counts() == {}
    assert flush_strangers() == 2
    assert counts() == {
        ("192.0.2.0/24", "key_required"): 1,
        ("198.51.100.0/24", "key_required"): 1,
    }


def test_a_flood_from_everywhere_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strangers, "NETWORKS", 10)
    for number in range(100):
        count_stranger(f"10.0.{number}.1", "invalid_key")
    flush_strangers()
    assert len(counts()) == 11
    assert counts()[("other", "invalid_key")] == 90


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.0/24"),
        ("::ffff:203.0.113.9", "203.0.113.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        ("203.0.113.0/24", "203.0.113.0/24"),
        ("", "other"),
        ("<script>", "other"),
    ],
)
def test_an_address_is_counted_by_its_network(address: str, network: str) -> None:
    assert strangers.network_of(address) == network


def test_old_counts_are_trimmed() -> None:
    count_stranger("192.0.2.7", "key_required")
    flush_strangers()
    retention.trim(timezone.now() + timedelta(days=89))
    assert counts()
    retention.trim(timezone.now() + timedelta(days=91))
    assert not counts()
