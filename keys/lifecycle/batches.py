"""One act on many keys, in the background: each key in a transaction of its own, exactly once.

A batch is rows, so it goes on after any crash. Who asked for it is asked for their right again
before each part of it. Each row of it carries a keyed seal: what somebody wrote into the tables
past Keydeck is nobody's wish, and is not carried out in anybody's name.
"""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from keys import leases, permissions
from keys.audit import Action, Actor
from keys.derived import derived_key
from keys.lifecycle import inputs
from keys.lifecycle.acts import KEY_ACTS, KeyAct
from keys.lifecycle.app_keys import rotate_app_key
from keys.lifecycle.details import describe
from keys.lifecycle.errors import Conflict, Invalid, LifecycleError, why_not
from keys.lifecycle.journal import note
from keys.lifecycle.locks import hold_application
from keys.models import (
    KEYS,
    ApiToken,
    AppKey,
    Application,
    AuditEvent,
    Batch,
    BatchItem,
    Key,
    User,
)
from keys.permissions import Act
from keys.vault import Sealed, Undecryptable

MOST_KEYS = 10_000
SHOWN_ONCE = "This application shows its app keys once: rotate them one by one."
PART = 25  # keys between two looks whether the batch was stopped
KEPT = timedelta(days=30)  # that a batch which ended can be looked at
LEASE = timedelta(seconds=60)  # a part takes about a second


@dataclass(frozen=True, slots=True)
class BatchAct:
    """An act that is offered on many keys; `clean` is of those with an argument, such as a tag."""

    of: KeyAct
    clean: Callable[[str], str] | None = None
    kinds: tuple[str, ...] = tuple(KEYS)


def _tag(actor: Actor, key: Key, tag: str) -> None:
    describe(actor, key, tags=f"{key.tags} {tag}")


def _untag(actor: Actor, key: Key, tag: str) -> None:
    describe(actor, key, tags=" ".join(word for word in key.tag_list if word != tag))


def _rotate(actor: Actor, key: AppKey, overlap: str) -> None:
    if key.application.show_app_keys_once:
        raise Conflict(SHOWN_ONCE)
    rotate_app_key(actor, key, overlap_seconds=int(overlap), shown=False)


def _clean_tag(argument: str) -> str:
    words = inputs.clean_tags(argument).split()
    if len(words) != 1:
        raise Invalid("argument", "One tag is needed.")
    return words[0]


def _clean_overlap(argument: str) -> str:
    if not argument.isdecimal():
        raise Invalid("argument", "The overlap is needed, in seconds.")
    return str(int(inputs.clean_overlap(int(argument)).total_seconds()))


_TAG = Act.CREATE_APP_KEY
BATCH_ACTS: dict[str, BatchAct] = {
    **{name: BatchAct(KEY_ACTS[name]) for name in ("disable", "enable", "revoke")},
    "rotate": BatchAct(KeyAct(_rotate, Act.ROTATE_APP_KEY), _clean_overlap, (AppKey.kind,)),
    "tag": BatchAct(KeyAct(_tag, _TAG, step_up=False), _clean_tag),
    "untag": BatchAct(KeyAct(_untag, _TAG, step_up=False), _clean_tag),
}


def right_for(kind: str, act: str) -> Act:
    """What a role must allow for this act on this kind of key. Raises Invalid."""
    if kind not in KEYS:
        raise Invalid("kind", f"A kind is one of {', '.join(KEYS)}.")
    found = BATCH_ACTS.get(act)
    if found is None or kind not in found.kinds:
        known = [name for name, one in BATCH_ACTS.items() if kind in one.kinds]
        raise Invalid("act", f"An act on many of these keys is one of {', '.join(known)}.")
    return found.of.right(kind)


def start_batch(
    actor: Actor,
    application: Application,
    kind: str,
    act: str,
    ids: Collection[str],
    argument: str = "",
) -> Batch:
    """Ask for `act` on the keys with these ids, at most 10,000; ids of no key here are refused.

    `argument` is the tag of tag and untag, and the seconds of overlap of rotate.
    """
    right_for(kind, act)
    clean = BATCH_ACTS[act].clean
    argument = clean(argument) if clean else ""
    wanted = dict.fromkeys(ids)
    if not wanted:
        raise Invalid("keys", "No key is chosen.")
    if len(wanted) > MOST_KEYS:
        raise Invalid("keys", f"At most {MOST_KEYS} keys go into one batch.")
    with transaction.atomic():
        held = hold_application(actor, application.pk)
        if act == "rotate" and held.show_app_keys_once:
            raise Conflict(SHOWN_ONCE)
        here = set(
            KEYS[kind]._default_manager.filter(application=held).values_list("pk", flat=True)
        )
        if lost := next((id for id in wanted if id not in here), None):
            raise Invalid("keys", f"There is no key {lost[:20]!r} here.")
        batch = Batch.objects.create(
            application=held,
            kind=kind,
            act=act,
            argument=argument,
            created_by=actor.user,
            address=actor.address,
            token=actor.token,
            token_id=actor.token_id,
            total=len(wanted),
        )
        items = (BatchItem(batch=batch, key_id=id, seal=_seal(batch, id)) for id in wanted)
        BatchItem.objects.bulk_create(items, batch_size=500)
        told = {"kind": kind, "act": act, "argument": argument, "keys": len(wanted)}
        note(actor, Action.BATCH_STARTED, f"batch:{batch.pk}", held, **told)
    return batch


def stop_batch(actor: Actor, batch: Batch) -> None:
    """What is not done yet stays undone."""
    with transaction.atomic():
        if (
            Batch.objects.filter(pk=batch.pk, ended_at=None, stopped=False).update(stopped=True)
            != 1
        ):
            raise Conflict("This batch has ended already.")
        note(actor, Action.BATCH_STOPPED, f"batch:{batch.pk}", batch.application)


def run_batches(seconds: float) -> int:
    """Go on with the open batches for about so long; returns the keys looked at.

    A part of each in turn, so that a long one keeps nobody waiting.
    """
    deadline, count, looked = time.monotonic() + seconds, 0, 1
    while looked and time.monotonic() < deadline:
        looked = sum(_take_part(batch, deadline) for batch in _open())
        count += looked
    return count


def _take_part(batch: Batch, deadline: float) -> int:
    """The next part of a batch that nobody else is at; returns the keys looked at."""
    if time.monotonic() >= deadline or not _claim(batch):
        return 0
    try:
        return _run_part(batch)
    except Sealed:
        return 0  # it waits for the vault
    finally:
        Batch.objects.filter(pk=batch.pk).update(lease_until=None)


def _open() -> list[Batch]:
    rows = Batch.objects.filter(ended_at=None).order_by("created_at", "pk")
    return list(rows.select_related("application", "created_by"))


def _claim(batch: Batch) -> bool:
    now = timezone.now()
    rows = Batch.objects.filter(leases.free(now), pk=batch.pk, ended_at=None)
    return rows.update(lease_until=now + LEASE) == 1


def _run_part(batch: Batch) -> int:
    """The next keys of the batch; 0 when it has ended."""
    batch.refresh_from_db(fields=["stopped"])
    over = batch.stopped or not _goes_on(batch)
    items = [] if over else list(batch.items.filter(outcome="waiting")[:PART])
    if not items:
        _end(batch)
        return 0
    actor = _asked_by(batch)
    for item in items:
        if not hmac.compare_digest(item.seal, _seal(batch, item.key_id)):
            _refuse(batch, item, "Nobody asked for this: it was written past Keydeck.")
        elif actor is None:
            _refuse(batch, item, "Whoever asked for it may not do this any more.")
        else:
            _run_item(batch, actor, item)
    return len(items)


def _seal(batch: Batch, key_id: str) -> str:
    """A keyed hash of who asked for this act on this key, in which batch."""
    asked = [batch.pk, batch.application_id, batch.kind, batch.act, batch.argument]
    by = [batch.created_by_id, batch.address, batch.token, batch.token_id]
    text = json.dumps([*asked, *by, key_id], separators=(",", ":"))
    return hmac.digest(derived_key("batch"), text.encode(), hashlib.sha256).hex()


def _goes_on(batch: Batch) -> bool:
    """Whether the trail tells of its start and of no end: rows that were opened again, or put
    back from long ago, are not run again."""
    told = AuditEvent.objects.filter(target=f"batch:{batch.pk}").values_list("action", flat=True)
    return set(told) == {Action.BATCH_STARTED}


def _asked_by(batch: Batch) -> Actor | None:
    """Whose act it is; None when they may not do it any more, or their API token is over."""
    user = batch.created_by and User.objects.filter(pk=batch.created_by.pk).first()
    try:
        right = right_for(batch.kind, batch.act)
    except Invalid:
        return None  # no act of ours
    if not user or not permissions.may(user, batch.application, right):
        return None
    if batch.token_id and not ApiToken.working().filter(pk=batch.token_id).exists():
        return None
    return Actor(user, user.email, batch.address, batch.token, batch.token_id)


def _run_item(batch: Batch, actor: Actor, item: BatchItem) -> None:
    model = KEYS[batch.kind]
    key = model._default_manager.select_related("application").filter(pk=item.key_id).first()
    if key is None:
        _refuse(batch, item, "This key is gone.")
        return
    try:
        with transaction.atomic():
            key.application = hold_application(actor, batch.application_id)
            if not _settle(item, "done"):
                return  # another worker took it, whose lease this one had outlived
            _carry_out(actor, key, BATCH_ACTS[batch.act], batch.argument)
            Batch.objects.filter(pk=batch.pk).update(done=F("done") + 1)
    except (LifecycleError, Undecryptable) as error:
        _refuse(batch, item, why_not(error))


def _carry_out(actor: Actor, key: Key, act: BatchAct, argument: str) -> None:
    if act.clean:
        act.of.run(actor, key, argument)
    else:
        act.of.run(actor, key)


def _refuse(batch: Batch, item: BatchItem, why: str) -> None:
    with transaction.atomic():
        if _settle(item, "refused", why=why[:300]):
            Batch.objects.filter(pk=batch.pk).update(refused=F("refused") + 1)


def _settle(item: BatchItem, outcome: str, **fields: str) -> bool:
    rows = BatchItem.objects.filter(pk=item.pk, outcome="waiting")
    return rows.update(outcome=outcome, **fields) == 1


def _end(batch: Batch) -> None:
    with transaction.atomic():
        rows = Batch.objects.filter(pk=batch.pk, ended_at=None)
        if rows.update(ended_at=timezone.now()) != 1:
            return
        batch.refresh_from_db(fields=["done", "refused"])
        told = {"act": batch.act, "done": batch.done, "refused": batch.refused}
        old = timezone.now() - KEPT
        Batch.objects.filter(application=batch.application, ended_at__lt=old).delete()
        actor = Actor.system("run_batches")
        note(actor, Action.BATCH_ENDED, f"batch:{batch.pk}", batch.application, **told)
