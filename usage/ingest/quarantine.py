"""What becomes of quarantined lines: tried again, after an upgrade say, or let go of by a person.

A line that is tried again goes the way that every call goes, through this process's own spool:
what still can't be stored is quarantined anew, and an event that was stored meanwhile comes to
nothing. The account of the writer that it came from stays as it was.
"""

from django.db import transaction

from keys.audit import Action, Actor, record
from keys.lifecycle import Conflict
from usage import spool
from usage.events import CallEvent
from usage.ingest.drain import drain_mine
from usage.models import Quarantine
from usage.quarantined import event_of

TARGET = "ledger:quarantine"


def retry(actor: Actor, key: int) -> None:
    """Puts a line's call into the spool once more. Raises Conflict when it can't be read still."""
    with transaction.atomic():
        row = _taken(key)
        told = event_of(row.line)
        try:
            event = CallEvent.from_dict(told) if told else None
        except ValueError as error:
            raise Conflict(f"It still can’t be stored: {error}.") from error
        if event is None:
            raise Conflict("Nothing can be read in this line: it can only be let go of.")
        row.delete()
        record(actor, Action.QUARANTINE_RETRIED, TARGET, call=event.id, reason=row.reason)
        try:
            mine = spool.mine()
            mine.end(mine.begin(event), event)
        except (spool.SpoolError, TypeError) as error:
            raise Conflict("The spool can’t be written now: try again later.") from error
    drain_mine()


def let_go(actor: Actor, key: int) -> None:
    """Forgets a line for good."""
    with transaction.atomic():
        row = _taken(key)
        told = event_of(row.line) or {}
        row.delete()
        call = str(told.get("id", ""))
        record(actor, Action.QUARANTINE_LET_GO, TARGET, call=call, reason=row.reason)


def _taken(key: int) -> Quarantine:
    row = Quarantine.objects.select_for_update().filter(pk=key).first()
    if row is None:
        raise Conflict("Somebody saw to this line already.")
    return row
