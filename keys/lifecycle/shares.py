"""A provider key's part in the pool: when its turn comes, how many of the calls are its own, and
how many at once."""

from collections.abc import Mapping

from django.db import transaction

from keys.audit import Action, Actor
from keys.lifecycle.errors import Invalid
from keys.lifecycle.journal import note_key
from keys.lifecycle.versions import lock_for_change
from keys.models import ProviderKey

MOST = {"priority": 9, "weight": 100, "concurrency": 1000}


def set_share(actor: Actor, key: ProviderKey, **share: int | None) -> None:
    """Change `priority` (1, asked first, to 9), `weight` (1 to 100) or `concurrency` (1 to 1000
    calls at once, None for no bound); what isn't given stays. Raises Invalid."""
    require_share(share)
    with transaction.atomic():
        lock_for_change(actor, key)
        rows = ProviderKey.objects.filter(pk=key.pk)
        was = rows.values(*MOST).get()
        changed = {name: value for name, value in share.items() if value != was[name]}
        if not changed:
            return
        rows.update(**changed)
        for name, value in changed.items():
            setattr(key, name, value)
        before = {name: was[name] for name in changed}
        note_key(actor, Action.SHARE_CHANGED, key, was=before, now=changed)


def require_share(share: Mapping[str, int | None]) -> None:
    """Raises Invalid for a part in the pool that no key can have."""
    for name, value in share.items():
        if value is None and name == "concurrency":
            continue
        if value is None or not 1 <= value <= MOST[name]:
            raise Invalid(name, f"A {name} is a number from 1 to {MOST[name]}.")
