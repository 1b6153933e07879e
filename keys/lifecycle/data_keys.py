"""Master keys and data keys replaced while everything runs.

A data key's rotation is in the rows: it is open while an application has more than one data key
that isn't spent. So it goes on after any crash, wherever it is taken up again.
"""

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, QuerySet
from django.utils import timezone

from keys import vault
from keys.audit import Action, Actor
from keys.lifecycle.errors import Conflict
from keys.lifecycle.journal import note
from keys.lifecycle.locks import hold_application
from keys.lifecycle.versions import slot_of
from keys.models import AppKeyVersion, Application, DataKey, ProviderKeyVersion
from keys.vault import Sealed, Undecryptable, VaultError

logger = logging.getLogger(__name__)
BATCH = 50  # secrets sealed anew in one transaction: other acts of the application wait for it
# A process may hold a sealed text a little longer than the database is served stale.
_LINGER = timedelta(seconds=60)
_waiting: dict[str, str] = {}  # application -> what was said of its rotation last


def add_master_key(actor: Actor) -> str:
    """A new primary master key in the key file; returns its fingerprint. Raises VaultError."""
    with transaction.atomic():
        made = vault.add_to_file().fingerprint
        note(actor, Action.MASTER_KEY_ADDED, f"master_key:{made}")
    return made


def retire_master_keys(actor: Actor) -> list[str]:
    """Take the master keys out of the key file that wrap nothing; returns their fingerprints."""
    with transaction.atomic():
        retired = vault.retire_from_file()
        for fingerprint in retired:
            note(actor, Action.MASTER_KEY_RETIRED, f"master_key:{fingerprint}")
    return retired


def rewrap(actor: Actor) -> Iterator[VaultError | None]:
    """Wrap all data keys with the primary master key, yielding after each what went wrong."""
    done = 0
    for error in vault.rewrap():
        done += error is None
        yield error
    if done:
        with transaction.atomic():
            note(actor, Action.REWRAPPED, "vault", data_keys=done)


def start_data_key_rotation(actor: Actor, application: Application) -> int:
    """A new data key for what is sealed from now on; returns its version.

    `reseal` moves over what is sealed under the old one. Conflict while that goes on.
    """
    with transaction.atomic():
        hold_application(actor, application.pk)
        if _unspent(application.pk) > 1:
            raise Conflict("The data key of this application is being rotated already.")
        made = vault.create_data_key(application.pk)
        target = f"application:{application.pk}"
        note(actor, Action.DATA_KEY_MADE, target, application, version=made.version)
    return made.version


def open_data_key_rotations() -> list[Application]:
    """The applications whose data key is being rotated."""
    rows = DataKey.objects.filter(spent_at=None, application__isnull=False)
    several = rows.values("application").annotate(n=Count("pk")).filter(n__gt=1)
    return list(Application.objects.filter(pk__in=several.values("application")).order_by("pk"))


def go_on(actor: Actor) -> None:
    """Go on with the rotations that are open; one whose master key is away waits for it."""
    for application in open_data_key_rotations():
        try:
            for _ in reseal(actor, application):
                pass
        except Sealed as error:
            _say(application, f"waits: {error}")
        else:
            _say(application, "")


def left_to_reseal(application: Application) -> int:
    """How many secrets of the application are not under its newest data key."""
    return sum(_left(model, application).count() for model in (ProviderKeyVersion, AppKeyVersion))


def reseal(actor: Actor, application: Application) -> Iterator[int]:
    """Seal what is under an older data key anew, yielding how many after each batch.

    At the end the old data key is spent. A secret that doesn't open is left as it is (the
    doctor tells of it), and the data key it is under stays as long as it is there.
    """
    broken: set[tuple[type, int]] = set()
    while True:
        with transaction.atomic():
            hold_application(actor, application.pk)
            rows = _batch(application, broken)
            if not rows:
                return _finish(actor, application)
            moved = sum(_reseal(row, broken) for row in rows)
        yield moved


def destroy_spent_data_keys(now: datetime) -> int:
    """Delete the data keys that nothing is sealed under any more; returns how many.

    Not before every gateway process has read the new texts, even one that was cut off from the
    database and serves what it knows.
    """
    linger = timedelta(seconds=settings.GATEWAY_STALE) + _LINGER
    spent = DataKey.objects.filter(spent_at__lte=now - linger).select_related("application")
    return sum(_destroy(row) for row in spent)


Row = ProviderKeyVersion | AppKeyVersion


def _batch(application: Application, broken: set[tuple[type, int]]) -> list[Row]:
    found: list[Row] = []
    for model in (ProviderKeyVersion, AppKeyVersion):
        passed = [pk for kind, pk in broken if kind is model]
        rows = _left(model, application).exclude(pk__in=passed).select_related("key")
        found += rows.order_by("pk")[: BATCH - len(found)]
    return found


def _left(model: type[Row], application: Application) -> QuerySet[Any]:
    newest = vault.sealed_under(vault.newest_version(application.pk))
    rows = model._default_manager.filter(key__application=application)
    return rows.exclude(sealed="").exclude(sealed__startswith=newest)


def _reseal(row: Row, broken: set[tuple[type, int]]) -> bool:
    try:
        anew = vault.reseal(slot_of(row.key, row), row.sealed)
    except Undecryptable:
        broken.add((type(row), row.pk))
        return False
    same = type(row)._default_manager.filter(pk=row.pk, sealed=row.sealed)
    return same.update(sealed=anew) == 1


def _finish(actor: Actor, application: Application) -> None:
    if not vault.spend(application.pk, timezone.now()):
        return  # somebody else had finished it
    version = vault.newest_version(application.pk)
    target = f"application:{application.pk}"
    note(actor, Action.DATA_KEY_ROTATED, target, application, version=version)


def _destroy(row: DataKey) -> bool:
    actor = Actor.system("destroy_spent_data_keys")
    application = row.application
    if application is None or _holds(row):
        return False
    with transaction.atomic():
        hold_application(actor, application.pk)
        if not DataKey.objects.filter(pk=row.pk).delete()[0]:
            return False
        target = f"application:{application.pk}"
        note(actor, Action.DATA_KEY_DESTROYED, target, application, version=row.version)
    return True


def _holds(row: DataKey) -> bool:
    """Whether a secret is still sealed under this data key."""
    place = {"key__application_id": row.application_id}
    prefix = vault.sealed_under(row.version)
    return any(
        model._default_manager.filter(sealed__startswith=prefix, **place).exists()
        for model in (ProviderKeyVersion, AppKeyVersion)
    )


def _say(application: Application, state: str) -> None:
    """A line in the log per change of state; there is a look every few seconds."""
    if _waiting.get(application.pk, "") == state:
        return
    _waiting[application.pk] = state
    logger.warning(
        "the rotation of the data key of %s %s", application.slug, state or "goes on again"
    )


def _unspent(application_id: str) -> int:
    return DataKey.objects.filter(application_id=application_id, spent_at=None).count()
