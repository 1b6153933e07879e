"""Whatever the order of calls, crashes, torn writes and drains: every event is stored once."""

import tempfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ledger.conftest import START, make_event
from usage import spool
from usage.events import CallEvent, Outcome
from usage.ingest import drain
from usage.ingest.follower import Follower
from usage.ingest.store import store
from usage.models import Call, SpoolWriter
from usage.rollups import compare
from usage.spool import Spool
from usage.spool.reader import folders, segment_path, segments

DRAIN = import_module("usage.ingest.drain")  # by its name the package has the function of it
NOW = datetime.fromtimestamp(START / 1000, UTC)
STEPS = ("begin", "rush", "end", "end", "crash", "tear", "drain", "relay", "fail", "forget")
histories = st.lists(
    st.tuples(st.sampled_from(STEPS), st.integers(0, 1000)), min_size=8, max_size=40
)
# The writer's row is the last that a storing transaction writes.
REFUSE = {
    "sqlite": "CREATE TRIGGER away BEFORE UPDATE ON usage_spoolwriter"
    " BEGIN SELECT RAISE(ABORT, 'away'); END",
    "postgresql": "ALTER TABLE usage_spoolwriter"
    " ADD CONSTRAINT away CHECK (drained_at IS NULL) NOT VALID",
}
ALLOW = {
    "sqlite": "DROP TRIGGER away",
    "postgresql": "ALTER TABLE usage_spoolwriter DROP CONSTRAINT away",
}


class World:
    """Writers that come and go in one spool directory, and what must be stored in the end."""

    def __init__(self, directory: Path, segment_bytes: int) -> None:
        self.directory = directory
        self.segment_bytes = segment_bytes
        self.expected: dict[str, Outcome] = {}
        self.writers: list[str] = []
        self.start()

    def start(self) -> None:
        name = spool.new_writer_id()
        self.spool = Spool(self.directory / name, segment_bytes=self.segment_bytes)
        self.writers.append(name)
        self.open: list[tuple[int, CallEvent]] = []

    def begin(self, pick: int) -> None:
        event = make_event(
            outcome=Outcome.ABORTED,
            started_at=START + pick * 60_000,
            endpoint=f"/{pick % 3}",
        )
        self.open.append((self.spool.begin(event), event))
        self.expected[event.id] = Outcome.ABORTED

    def rush(self, pick: int) -> None:
        for _ in range(2 + pick % 10):
            self.begin(pick)

    def end(self, pick: int) -> None:
        if self.open:
            number, event = self.open.pop(pick % len(self.open))
            outcome = list(Outcome)[pick % len(Outcome)]
            self.spool.end(number, event._replace(outcome=outcome, latency_ms=float(pick)))
            self.expected[event.id] = outcome

    def crash(self, pick: int) -> None:
        self.spool.close()
        self.start()

    def tear(self, pick: int) -> None:
        """A crash in the middle of writing a line that nobody was told is written."""
        folder = self.spool.directory
        self.spool.close()
        with segment_path(folder, segments(folder)[-1]).open("ab") as file:
            file.write(b'0123abcd ["s",99,99,{"id":"x'[: 1 + pick % 27])
        self.start()

    def drain(self, pick: int) -> None:
        for folder in folders(self.directory):
            drain(folder)

    def relay(self, pick: int) -> None:
        """Drainers that each store a few lines of the present spool and die."""
        for _ in range(2 + pick % 10):
            batch = Follower(self.spool.directory).next(limit=1 + pick % 4)
            if batch:
                store(batch, timezone.now())

    def fail(self, pick: int) -> None:
        """A drain whose transaction breaks at its very end."""
        with connection.cursor() as cursor:
            cursor.execute(REFUSE[connection.vendor])
            try:
                with suppress(DatabaseError):
                    self.drain(pick)
            finally:
                cursor.execute(ALLOW[connection.vendor])

    def forget(self, pick: int) -> None:
        """Another drainer takes over: what this one remembered is gone."""
        DRAIN._followers.clear()

    def check(self) -> None:
        """Nothing was damaged, so at no time is a call lost, nor one accounted for twice."""
        for account in SpoolWriter.objects.filter(pk__in=self.writers):
            accounted = account.stored + account.duplicates + account.quarantined
            assert (account.lost, account.accepted >= accounted) == (0, True)


@pytest.mark.django_db
@given(
    history=histories,
    segment_bytes=st.sampled_from([900, 3000, 100_000]),
    lines=st.sampled_from([3, 40_000]),  # of a batch: with few, the next is read ahead
)
@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_call_is_stored_once_as_it_ended(
    history: list[tuple[str, int]], segment_bytes: int, lines: int
) -> None:
    with tempfile.TemporaryDirectory() as directory, patch.object(DRAIN, "BATCH", lines):
        world = World(Path(directory), segment_bytes)
        for step, pick in history:
            getattr(world, step)(pick)
            world.check()
        world.spool.close()
        world.drain(0)
        world.drain(0)

        stored = Call.objects.filter(pk__in=world.expected).values_list("id", "outcome")
        assert {str(key): outcome for key, outcome in stored} == world.expected
        accounts = SpoolWriter.objects.filter(pk__in=world.writers)
        assert len(accounts) == len(world.writers)
        assert sum(account.stored for account in accounts) == len(world.expected)
        for account in accounts:
            assert account.accepted == account.stored
            assert account.lost == account.duplicates == account.quarantined == account.broken == 0
            assert account.closed_at is not None
        assert folders(world.directory) == []
    assert list(compare(NOW, NOW + timedelta(days=1), NOW)) == []
