"""The audit chain: no act without its row, and no row changed unseen."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F
from django.test import RequestFactory
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from keys import audit
from keys.audit import Action, Actor
from keys.models import Application, AuditEvent, AuditHead, User
from tests.keys.threads import in_threads

SYSTEM = Actor.system("test")


def record(number: int = 0, **detail: Any) -> AuditEvent:
    with transaction.atomic():
        return audit.record(SYSTEM, Action.KEY_DISABLED, f"app_key:{number}", **detail)


@pytest.fixture
def chain(db: None) -> list[AuditEvent]:
    return [record(number, place=number) for number in range(6)]


def test_an_untouched_chain_verifies(chain: list[AuditEvent]) -> None:
    assert audit.verify() == audit.Verification(ok=True, events=6, broken_at=None)


def test_an_empty_chain_verifies(db: None) -> None:
    assert audit.verify() == audit.Verification(ok=True, events=0, broken_at=None)


def test_an_event_says_who_what_where_and_when(
    owner: User, application: Application, rf: RequestFactory
) -> None:
    request = rf.post("/", REMOTE_ADDR="203.0.113.9")
    request.user = owner
    with transaction.atomic():
        event = audit.record(
            Actor.of(request), Action.KEY_REVOKED, "app_key:1", application, name="Web"
        )
    event.refresh_from_db()
    assert (event.actor, event.actor_name, event.address) == (owner, owner.email, "203.0.113.9")
    assert (event.action, event.application_id) == ("key.revoked", application.pk)
    assert event.detail == {"name": "Web"}


@pytest.mark.django_db(transaction=True)
def test_it_is_written_in_the_transaction_of_the_act_or_not_at_all() -> None:
    with pytest.raises(RuntimeError):
        audit.record(SYSTEM, Action.KEY_REVOKED, "app_key:1")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        audit.record(SYSTEM, Action.KEY_REVOKED, "app_key:1")
        raise ZeroDivisionError
    assert audit.verify().events == 0


def test_an_action_that_is_not_in_the_list_is_refused(db: None) -> None:
    with pytest.raises(ValueError, match="coffee"):
        audit.record(SYSTEM, "coffee.made", "app_key:1")  # type: ignore[arg-type]


EDITS: dict[str, dict[str, Any]] = {
    "at": {},  # by a microsecond
    "actor": {"actor_id": 999},
    "actor_name": {"actor_name": "somebody else"},
    "action": {"action": "key.enabled"},
    "application": {"application_id": "another"},
    "target": {"target": "app_key:other"},
    "detail": {"detail": {"place": 7}},
    "address": {"address": "10.0.0.1"},
    "digest": {"digest": "0" * 64},
}


@pytest.mark.parametrize("place", [0, 3, 5])
@pytest.mark.parametrize("field", EDITS)
def test_an_edit_is_found_where_it_is(chain: list[AuditEvent], field: str, place: int) -> None:
    edit = EDITS.get(field) or {"at": chain[place].at + timedelta(microseconds=1)}
    AuditEvent.objects.filter(pk=chain[place].pk).update(**edit)
    found = audit.verify()
    assert (found.ok, found.broken_at) == (False, chain[place].pk)


@pytest.mark.parametrize("place", range(6))
def test_a_deletion_is_found(chain: list[AuditEvent], place: int) -> None:
    AuditEvent.objects.filter(pk=chain[place].pk).delete()
    found = audit.verify()
    assert (found.ok, found.broken_at) == (False, chain[min(place + 1, 5)].pk)


def _insert(chain: list[AuditEvent]) -> None:
    last = chain[-1]
    AuditEvent.objects.create(
        at=last.at, actor_name="x", action=last.action, target="app_key:x", digest=last.digest
    )


def _swap(chain: list[AuditEvent]) -> None:
    one, other = chain[1], chain[2]
    for row, source in ((one, other), (other, one)):
        told = AuditEvent.objects.filter(pk=row.pk)
        told.update(at=source.at, target=source.target, detail=source.detail, digest=source.digest)


def _cut_off_with_the_head(chain: list[AuditEvent]) -> None:
    chain[-1].delete()
    AuditHead.objects.update(events=5, digest=chain[-2].digest)


def _move_the_head(chain: list[AuditEvent]) -> None:
    AuditHead.objects.update(events=F("events") - 1)


def _drop_the_head(chain: list[AuditEvent]) -> None:
    AuditHead.objects.all().delete()


def _drop_everything(chain: list[AuditEvent]) -> None:
    AuditEvent.objects.all().delete()
    AuditHead.objects.all().delete()


def _empty_everything(chain: list[AuditEvent]) -> None:
    AuditEvent.objects.all().delete()
    AuditHead.objects.update(events=0, digest="", seal="")


def _drop_all_but_the_head(chain: list[AuditEvent]) -> None:
    AuditEvent.objects.all().delete()


@pytest.mark.parametrize(
    "tamper",
    [
        _insert,
        _swap,
        _cut_off_with_the_head,
        _move_the_head,
        _drop_the_head,
        _drop_everything,
        _empty_everything,
        _drop_all_but_the_head,
    ],
)
def test_tampering_with_the_order_or_the_end_is_found(
    chain: list[AuditEvent], tamper: Callable[[list[AuditEvent]], None]
) -> None:
    tamper(chain)
    assert not audit.verify().ok
    record()
    assert not audit.verify().ok, "the next act covers it up"


def test_a_migration_begins_no_new_chain_where_people_are(owner: User) -> None:
    AuditHead.objects.all().delete()
    audit.begin_chain()
    record()
    assert not audit.verify().ok


def test_the_chain_needs_the_secret_key(chain: list[AuditEvent], settings: Settings) -> None:
    settings.SECRET_KEY = "somebody who guesses"
    assert not audit.verify().ok


def test_it_goes_on_while_the_vault_is_sealed(db: None, settings: Settings) -> None:
    settings.MASTER_KEYS = "not a key"
    record()
    assert audit.verify().ok


def test_a_user_who_is_deleted_breaks_nothing(owner: User) -> None:
    with transaction.atomic():
        event = audit.record(Actor.person(owner), Action.KEY_REVOKED, "app_key:1")
    owner.delete()
    assert audit.verify().ok
    event = AuditEvent.objects.select_related("actor").get(pk=event.pk)
    assert (event.actor, event.actor_name) == (None, "owner@example.com")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    detail=st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8),
        st.none()
        | st.booleans()
        | st.integers(-(2**53), 2**53)
        | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
        | st.datetimes(timezones=st.just(UTC), min_value=datetime(2000, 1, 1)),
        max_size=4,
    )
)
def test_any_detail_comes_back_as_it_was_digested(db: None, detail: dict[str, Any]) -> None:
    with transaction.atomic():
        audit.record(SYSTEM, Action.KEY_REVOKED, "app_key:1", detail=detail)
    assert audit.verify().ok


@pytest.mark.django_db(transaction=True)
def test_writers_at_the_same_time_make_one_chain() -> None:
    def write() -> None:
        for number in range(5):
            record(number)

    in_threads([write] * 4)
    assert audit.verify() == audit.Verification(ok=True, events=20, broken_at=None)
