"""What is wrong with the ledger, in words, the worst first; each with its cause and what to do."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils import timezone

from keys.telling import counted
from usage.models import Comparison, Erasure
from usage.rollups import calls_kept_since
from usage.stats.accounts import Ledger, Writer
from usage.stats.quarantine import waiting

LATE = 30.0  # seconds that a record may wait before that is a trouble
NAMED = 3  # writers or days by name


@dataclass(frozen=True, slots=True)
class Trouble:
    """`level`: danger (calls are gone), warning (somebody must act) or info."""

    level: str
    text: str
    cause: str  # the likely one; "" where the text tells it
    remedy: str


def troubles(ledger: Ledger) -> list[Trouble]:
    """Of this very account. Nothing in it: all is well."""
    found = [
        _lost(ledger),
        _waiting(ledger),
        _quarantined(),
        *_differing(),
        _late(ledger),
        *map(_erasing, Erasure.objects.filter(finished_at=None).order_by("begun_at")),
    ]
    return [trouble for trouble in found if trouble]


def _lost(ledger: Ledger) -> Trouble | None:
    if ledger.lost <= 0:
        return None
    return Trouble(
        "danger",
        f"{counted(ledger.lost, 'call')} got lost"
        f"{_of([one for one in ledger.writers if one.lost > 0])}: "
        "recorded in a spool, and gone before the database had them.",
        "A spool was removed, cut short or damaged on disk.",
        "If there is a copy of its folder, put it back below KEYDECK_SPOOL_DIR: what is in it is "
        "stored, and nothing twice. Look into that machine's log for its disk.",
    )


def _waiting(ledger: Ledger) -> Trouble | None:
    if ledger.lag_seconds < LATE:
        return None
    behind = [one for one in ledger.writers if one.lag_seconds >= LATE]
    return Trouble(
        "warning",
        f"{counted(ledger.pending, 'call')} {'waits' if ledger.pending == 1 else 'wait'} "
        f"to be stored, the oldest for {_for(ledger.lag_seconds)}{_of(behind)}.",
        "The database is away, slow or full, or nothing that stores calls runs on that machine.",
        "None is lost: they are on disk and follow by themselves once the database takes them. See "
        "whether it answers and has room (/readyz, the log), and whether a worker runs on that "
        "machine.",
    )


def _quarantined() -> Trouble | None:
    count = waiting()
    if not count:
        return None
    return Trouble(
        "warning",
        f"{count:,} quarantined line{'s' if count > 1 else ''} could not be stored and "
        f"{'wait' if count > 1 else 'waits'} for somebody to look at.",
        "A newer version of Keydeck wrote them, or the disk damaged them.",
        "See the reason of each. What a newer version wrote can be tried again after an upgrade; "
        "what is damaged can only be let go of.",
    )


def _differing() -> Iterator[Trouble]:
    """Days whose differences stand: neither counted again since, nor acknowledged."""
    open_ = Comparison.objects.filter(differences__gt=0, acknowledged_at=None)
    days = list(open_.order_by("day"))
    if not days:
        return
    kept_since = calls_kept_since(timezone.now()).date()
    if kept := [one for one in days if one.day >= kept_since]:
        yield _of_days(
            kept,
            f"`manage.py rebuild_rollups --since {kept[0].day} --until {kept[-1].day} --check` "
            "names what differs; without --check it counts "
            f"{'that day' if len(kept) == 1 else 'these days'} again from the calls.",
        )
    if gone := [one for one in days if one.day < kept_since]:
        yield _of_days(gone, "The calls are no longer kept, so nothing can be counted again.")


def _of_days(days: list[Comparison], remedy: str) -> Trouble:
    rows = sum(one.differences for one in days)
    names = ", ".join(str(one.day) for one in days[:NAMED])
    more = f" and {counted(len(days) - NAMED, 'more day')}" if len(days) > NAMED else ""
    return Trouble(
        "danger",
        f"The counts of {names}{more} are not what the calls add up to: {rows:,} "
        f"{'rows differ' if rows > 1 else 'row differs'}.",
        "Calls or counts were changed past Keydeck: by hand, or by a copy of the database put back "
        "in part. If nobody did that it is a fault of Keydeck: report it with what differs.",
        f"{remedy} `manage.py ledger --acknowledge {days[0].day}` stops telling of that day.",
    )


def _late(ledger: Ledger) -> Trouble | None:
    if not ledger.late:
        return None
    return Trouble(
        "info",
        f"{counted(ledger.late, 'call')} came home after the day of their start was let go of.",
        "Their spool or the database was away for longer than calls are kept.",
        "Counted in the charts, but not kept one by one: see KEYDECK_CALL_RETENTION_DAYS.",
    )


def _erasing(row: Erasure) -> Trouble:
    return Trouble(
        "info",
        f"What is recorded of {row.name}, which was deleted, is being erased: "
        f"{counted(row.calls, 'call')} and {counted(row.counts, 'count')} so far.",
        "",
        "It goes on by itself, and takes at least a minute.",
    )


def _of(writers: list[Writer]) -> str:
    names = [f"{one.host} ({one.id.rpartition('.')[2][-8:]})" for one in writers[:NAMED]]
    more = len(writers) - len(names)
    told = ", ".join(names) + (f" and {more} more" if more else "")
    return f", of {told}" if told else ""


def _for(seconds: float) -> str:
    if seconds < 90:
        return counted(round(seconds), "second")
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} minutes"
