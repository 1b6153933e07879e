"""The rows an act holds, in the one order that never deadlocks (see the package's docstring).

Whoever acts is asked for their right once more when the application is held: while they waited
for it they may have been removed. Raises as `keys.permissions.require` does.
"""

from collections.abc import Iterable

from keys import permissions
from keys.audit import Actor
from keys.lifecycle.errors import Conflict
from keys.models import AppKey, Application, Key, ProviderKey


def hold_application(actor: Actor, application_id: str) -> Application:
    """The application's row, locked and read anew: acts in one application come one by one."""
    found = Application.objects.select_for_update().filter(pk=application_id).first()
    if found is None:
        raise Conflict("This application is gone.")
    if actor.user is not None:
        permissions.require_still(actor.user, found)
    return found


def hold_applications(actor: Actor, ids: Iterable[str]) -> set[str]:
    """The same for several, in one order; returns the ids of those that are there."""
    here = Application.objects.filter(pk__in=set(ids)).values_list("pk", flat=True)
    return {hold_application(actor, id).pk for id in sorted(here)}


def hold_key(actor: Actor, key: Key) -> None:
    """Lock the key's application, then the key, and read its state anew into `key`."""
    hold_application(actor, key.application_id)
    model: type[ProviderKey] | type[AppKey] = type(key)
    row = model._default_manager.select_for_update().filter(pk=key.pk).values("state").first()
    if row is None:
        raise Conflict("This key is gone.")
    key.state = row["state"]


def hold_all_keys(application: Application) -> None:
    """Lock every key of an application that is held, as ingest does: app keys first, by id."""
    models: tuple[type[AppKey] | type[ProviderKey], ...] = (AppKey, ProviderKey)
    for model in models:
        rows = model._default_manager
        # One by one: a database sorts text by its collation, ingest by code points.
        for id in sorted(rows.filter(application=application).values_list("pk", flat=True)):
            rows.select_for_update().filter(pk=id).values("pk").first()
