"""The chain, walked: an event edited, deleted, inserted or moved shows as broken.

A database put back whole to an older state is a chain that fits. An anchor, kept elsewhere,
says how far the chain had come: it finds that too.
"""

import hmac
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from django.utils import timezone

from keys.audit.writing import digest_of, is_sealed, seal
from keys.models import AuditEvent, AuditHead


@dataclass(frozen=True, slots=True)
class Verification:
    """What a walk over the chain found; `broken_at` is the first event that doesn't fit."""

    ok: bool
    events: int
    broken_at: int | None


@dataclass(frozen=True, slots=True)
class Anchor:
    """How far the chain had come, to be kept away from the database."""

    events: int
    digest: str
    at: str  # ISO 8601, UTC
    seal: str

    @property
    def point(self) -> tuple[int, str]:
        return self.events, self.digest

    def as_json(self) -> str:
        return json.dumps(asdict(self))


def anchor() -> Anchor:
    """The chain's present end. Raises ValueError where its head is not as it was written."""
    head = AuditHead.objects.filter(pk=1).first()
    if head is None or not is_sealed(head):
        raise ValueError("The chain’s head was changed past Keydeck: verify the chain.")
    at = timezone.now().astimezone(UTC).isoformat(timespec="seconds")
    return Anchor(head.events, head.digest, at, seal("anchor", head.events, head.digest, at))


def read_anchor(text: str) -> Anchor:
    """The anchor of a text that `as_json` wrote. Raises ValueError for any other."""
    try:
        found = Anchor(**json.loads(text))
        fits = hmac.compare_digest(found.seal, seal("anchor", found.events, found.digest, found.at))
        datetime.fromisoformat(found.at)
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ValueError("This is no anchor.") from error
    if not fits:
        raise ValueError("This anchor was not made with this installation’s SECRET_KEY.")
    return found


def verify(anchored: Anchor | None = None) -> Verification:
    """Walk the whole chain that is here, and see that it still holds what the anchor says.

    It begins where the last archive ended; an anchor from before that is held by the archive.

    Writers aren't stopped meanwhile: events past the head that was read first are still held
    to the chain, which nobody continues without the key.
    """
    head = AuditHead.objects.filter(pk=1).first()
    if head is None or not is_sealed(head):
        return Verification(False, head.events if head else 0, None)
    must = {head.events: head.digest}
    must.setdefault(head.archived_events, head.archived_digest)
    if anchored is not None and must.setdefault(*anchored.point) != anchored.digest:
        return Verification(False, head.events, None)
    count, last, last_id = head.archived_events, head.archived_digest, head.archived_to
    for event in _events():
        if not hmac.compare_digest(event.digest, digest_of(last, event)):
            return Verification(False, count, event.pk)
        count, last, last_id = count + 1, event.digest, event.pk
        if last != must.get(count, last):
            return Verification(False, count, event.pk)
    if count < max(must):
        return Verification(False, count, last_id + 1)
    return Verification(True, count, None)


def is_ours() -> bool:
    """Whether the chain was sealed with the SECRET_KEY that is here.

    Where it wasn't, the next event breaks it for good: this is to be asked before.
    """
    head = AuditHead.objects.filter(pk=1).first()
    return head is None or is_sealed(head)


def _events() -> Iterator[AuditEvent]:
    return AuditEvent.objects.order_by("id").iterator(chunk_size=2000)
