"""The change counter: says that other processes must look again (DESIGN decision 11)."""

from django.db.models import F

from keys.models import ChangeCounter

_ROW = 1


def bump() -> None:
    """Counts one change, in the caller's transaction."""
    row = ChangeCounter.objects.filter(pk=_ROW)
    if not row.update(value=F("value") + 1):
        ChangeCounter.objects.get_or_create(pk=_ROW)
        row.update(value=F("value") + 1)


def overtake(seen: int) -> None:
    """Raises the counter past its own value and one seen elsewhere, in the caller's transaction."""
    row, _ = ChangeCounter.objects.select_for_update().get_or_create(pk=_ROW)
    row.value = max(row.value, seen) + 1
    row.save(update_fields=["value"])


def current() -> int:
    """The counter's value; 0 before the first change."""
    return ChangeCounter.objects.filter(pk=_ROW).values_list("value", flat=True).first() or 0
