"""Retention: the oldest events moved into a signed file, from which the chain goes on.

An archive is one event a line, as JSON, and a last line that says between which two points of
the chain they lie, signed with the chain's key. Nothing is removed that can't be read back.
"""

import hashlib
import hmac
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from keys.audit.carrying import carry
from keys.audit.chain import verify
from keys.audit.writing import Action, Actor, digest_of, record, seal_head
from keys.derived import derived_key
from keys.models import AuditEvent, AuditHead
from keys.telling import moment


class BrokenArchive(ValueError):
    """The file is no archive of this installation, or was changed; says where."""


@dataclass(frozen=True, slots=True)
class Archive:
    """Two points of the chain: how many events lie before each, and the digest there."""

    begins: int
    begins_with: str
    ends: int
    ends_with: str
    last_id: int

    @property
    def events(self) -> int:
        return self.ends - self.begins


def archive(actor: Actor, before: datetime, out: Path) -> Archive:
    """Move the events from before `before` into the new file `out`.

    The file is read back before anything is removed. Killed at any point, the events are in
    the database, or in the file, or in both; the same again then goes on with the file that is
    there. Raises ValueError, of a moment that has not come too, and OSError of the file.
    """
    if before > timezone.now():
        raise ValueError(f"{moment(before)} has not come: every event would leave the database")
    if not verify().ok:
        raise ValueError("the chain is broken; nothing is archived: manage.py audit verify")
    head = AuditHead.objects.get(pk=1)
    events = AuditEvent.objects.order_by("id")
    younger = events.filter(at__gte=before).values_list("pk", flat=True).first()
    old = events.filter(pk__lt=younger) if younger is not None else events
    last = old.last()
    if last is None:
        raise ValueError(f"no event is older than {moment(before)}")
    made = Archive(
        head.archived_events,
        head.archived_digest,
        head.archived_events + old.count(),
        last.digest,
        last.pk,
    )
    if not _is_there(out, made):
        _write(out, old.iterator(chunk_size=1000), made)
    if read_archive(out) != made:
        raise ValueError(f"{out} can't be read back as it was written; nothing was removed")
    _cut(actor, made, out.name)
    return made


def read_archive(file: Path) -> Archive:
    """Check an archive from its first event to its signature. Raises BrokenArchive, OSError."""
    count, last, first, said = 0, "", None, None
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if said is not None:
                raise BrokenArchive(f"{file}: something follows the signature")
            try:
                row = json.loads(line)
                if "archive" in row:
                    said = _signed(row)
                    continue
                event = _event_of(row)
            except (KeyError, TypeError, ValueError, AttributeError):
                raise BrokenArchive(f"{file}: line {number} is none of an archive") from None
            last = row["after"] if first is None else last
            first = last if first is None else first
            if not hmac.compare_digest(event.digest, digest_of(last, event)):
                raise BrokenArchive(f"{file}: line {number} was changed, removed or added")
            count, last = count + 1, event.digest
    if said is None:
        raise BrokenArchive(f"{file}: its end is missing")
    if (said.events, said.begins_with, said.ends_with) != (count, first, last):
        raise BrokenArchive(f"{file}: events are missing")
    return said


def join(archives: list[Archive]) -> None:
    """See that archives follow one another up to where the chain of the database begins.

    Raises BrokenArchive.
    """
    head = AuditHead.objects.get(pk=1)
    point = (head.archived_events, head.archived_digest)
    for one in sorted(archives, key=lambda one: -one.ends):
        if (one.ends, one.ends_with) != point:
            raise BrokenArchive(f"the archive that ends with event number {one.ends} doesn't join")
        point = (one.begins, one.begins_with)


def _is_there(out: Path, made: Archive) -> bool:
    """Whether `out` is this very archive, left by a run that was killed before it removed."""
    try:
        return read_archive(out) == made
    except (BrokenArchive, FileNotFoundError):
        return False


def _write(out: Path, events: Iterator[AuditEvent], made: Archive) -> None:
    last = made.begins_with
    descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        for event in events:
            file.write(json.dumps(_row(event, last)) + "\n")
            last = event.digest
        told = asdict(made)
        file.write(json.dumps({"archive": told, "signature": _signature(told)}) + "\n")
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(out.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)  # else a power loss takes the name, and the events are gone already
    finally:
        os.close(folder)


def _row(event: AuditEvent, after: str) -> dict[str, Any]:
    return {
        "after": after,
        "id": event.pk,
        "at": event.at.isoformat(),
        "actor_id": event.actor_id,
        "actor_name": event.actor_name,
        "action": event.action,
        "application_id": event.application_id,
        "target": event.target,
        "detail": event.detail,
        "address": event.address,
        "digest": event.digest,
    }


def _event_of(row: dict[str, Any]) -> AuditEvent:
    told = {name: value for name, value in row.items() if name != "after"}
    told["at"] = datetime.fromisoformat(told["at"])
    return AuditEvent(**told)


def _signed(row: dict[str, Any]) -> Archive:
    told = row["archive"]
    if not hmac.compare_digest(row["signature"], _signature(told)):
        raise ValueError("not signed here")
    return Archive(**told)


def _signature(told: dict[str, Any]) -> str:
    text = json.dumps({"archive": told}, sort_keys=True)
    return hmac.digest(derived_key("audit chain"), text.encode(), hashlib.sha256).hex()


def _cut(actor: Actor, made: Archive, name: str) -> None:
    """Remove what the archive holds; the head says from where the chain goes on."""
    with transaction.atomic():
        head = AuditHead.objects.select_for_update().get(pk=1)
        if (head.archived_events, head.archived_digest) != (made.begins, made.begins_with):
            raise ValueError("somebody else archived meanwhile; nothing was removed")
        head.archived_events, head.archived_digest = made.ends, made.ends_with
        head.archived_to = made.last_id
        seal_head(head)
        head.save()
        old = AuditEvent.objects.filter(pk__lte=made.last_id)
        carry(actor, old)
        old.delete()
        record(actor, Action.AUDIT_ARCHIVED, "audit", events=made.events, file=name)
