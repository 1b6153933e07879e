"""An archive takes events away, not what is known by them: secrets' digests, and who saw them."""

from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone

from keys import audit, doctor, exposure, lifecycle
from keys.audit import Action, Actor, carrying
from keys.exposure import Viewer
from keys.models import AppKey, Application, AuditEvent, ProviderKey, User
from keys.states import Stage
from tests.factories import ApplicationFactory
from tests.keys.conftest import Acme
from usage import demo_state

pytestmark = pytest.mark.django_db
SYSTEM = Actor.system("audit archive")


@pytest.fixture
def provider_key(acme: Acme, actor: Actor, application: Application, admin: User) -> ProviderKey:
    """Revealed twice to the admin, whose second reason is `again`."""
    secret = acme.knows("first-secret-of-acme")
    key = lifecycle.add_provider_key(
        actor, application, name="Main", provider="acme", secret=secret
    )
    for reason in ("moving house", "again"):
        lifecycle.reveal_provider_key(Actor.person(admin), key, reason=reason)
    return key


@pytest.fixture
def app_key(actor: Actor, application: Application) -> AppKey:
    return lifecycle.create_app_key(actor, application, name="Web")[0]


def archive(folder: Path) -> None:
    """Of all events that there are."""
    out = folder / f"{AuditEvent.objects.count()}-{len(list(folder.iterdir()))}"
    audit.archive(SYSTEM, timezone.now(), out)
    assert audit.verify().ok
    kept = {Action.AUDIT_CARRIED, Action.AUDIT_ARCHIVED}
    assert {event.action for event in AuditEvent.objects.all()} <= kept


def viewers(key: ProviderKey | AppKey) -> list[Viewer]:
    return exposure.seen_by(key)


def test_who_has_seen_a_secret_is_known_after_any_number_of_archives(
    provider_key: ProviderKey, app_key: AppKey, owner: User, admin: User, tmp_path: Path
) -> None:
    before = viewers(provider_key), viewers(app_key)
    assert [(viewer.name, viewer.times, viewer.reason) for viewer in before[0]] == [
        (admin.email, 2, "again"),
        (owner.email, 1, ""),
    ]
    for _ in range(3):
        archive(tmp_path)
        assert (viewers(provider_key), viewers(app_key)) == before
        assert list(exposure.seen(admin, provider_key.application)) == [provider_key]
        assert list(exposure.seen(owner, provider_key.application)) == [provider_key, app_key]
        assert exposure.everywhere(admin) == [provider_key]

    lifecycle.reveal_provider_key(Actor.person(admin), provider_key, reason="once more")
    archive(tmp_path)
    viewer = viewers(provider_key)[0]
    assert (viewer.times, viewer.reason) == (3, "once more")


def test_what_an_archive_left_of_others_puts_nobody_where_they_saw_nothing(
    provider_key: ProviderKey, app_key: AppKey, admin: User, owner: User, tmp_path: Path
) -> None:
    other = ApplicationFactory()
    lifecycle.create_app_key(Actor.person(owner), other, name="Elsewhere")
    here = provider_key.application
    for _ in range(2):
        assert exposure.where(admin) == [here]
        assert {found.pk for found in exposure.where(owner)} == {here.pk, other.pk}
        archive(tmp_path)


def test_a_secret_put_back_is_found_after_any_number_of_archives(
    provider_key: ProviderKey, actor: Actor, acme: Acme, tmp_path: Path
) -> None:
    first = provider_key.versions.get()
    archive(tmp_path)
    acme.knows("second-secret-of-acme")
    lifecycle.rotate_provider_key(actor, provider_key, secret="second-secret-of-acme")
    for _ in range(2):
        archive(tmp_path)
        assert doctor.examine().findings == []

    provider_key.versions.filter(stage=Stage.CURRENT).update(stage=Stage.RETIRED)
    provider_key.versions.filter(pk=first.pk).update(stage=Stage.CURRENT)
    assert {found.code for found in doctor.examine().findings} == {doctor.WRONG_STAGE}


def test_events_of_after_an_archive_are_newer_than_what_it_left(
    provider_key: ProviderKey, actor: Actor, acme: Acme, tmp_path: Path
) -> None:
    acme.knows("second-secret-of-acme")
    lifecycle.rotate_provider_key(actor, provider_key, secret="second-secret-of-acme")
    rotated = AuditEvent.objects.filter(action=Action.ROTATION_STARTED).get()
    older = AuditEvent.objects.filter(pk__lt=rotated.pk)
    with transaction.atomic():
        carrying.carry(SYSTEM, older)
        older.delete()  # past the archive, which the chain doesn't forgive

    assert {found.code for found in doctor.examine().findings} == {doctor.BROKEN_TRAIL}
    last = AuditEvent.objects.order_by("id").last()
    assert last is not None
    assert last.action == Action.AUDIT_CARRIED
    assert [event.action for event in audit.told(AuditEvent.objects.all())][:1] == [
        Action.PROVIDER_KEY_ADDED
    ]


def test_what_is_carried_is_of_applications_that_are_here_and_no_more_than_told(
    provider_key: ProviderKey, app_key: AppKey, actor: Actor, tmp_path: Path
) -> None:
    archive(tmp_path)
    (carried,) = AuditEvent.objects.filter(action=Action.AUDIT_CARRIED)
    assert carried.application_id == provider_key.application_id
    assert len(carried.detail["facts"]) == 3  # added, revealed to one person, created

    lifecycle.delete_application(actor, provider_key.application)
    archive(tmp_path)
    assert not AuditEvent.objects.filter(action=Action.AUDIT_CARRIED).exists()


def test_the_demo_is_not_made_anew(application: Application, tmp_path: Path) -> None:
    application.slug = demo_state.NAME
    application.save()
    assert demo_state.find() == (False, None)
    with transaction.atomic():
        audit.record(
            Actor.system(demo_state.NAME), Action.APPLICATION_CREATED, "application:x", application
        )
    assert demo_state.find() == (True, application)
    archive(tmp_path)
    assert demo_state.find() == (True, application)
    application.delete()
    assert demo_state.find() == (True, None)


def test_what_is_carried_is_all_that_anybody_reads() -> None:
    read = {*doctor.TELLING, *exposure.SHOWN, *exposure.HANDED_OVER}
    assert set(carrying.RELIED_ON) == read


def test_a_key_that_was_ended_and_works_again_is_found_after_any_number_of_archives(
    provider_key: ProviderKey, app_key: AppKey, actor: Actor, acme: Acme, tmp_path: Path
) -> None:
    for n in ("second", "third"):
        secret = acme.knows(f"{n}-secret-of-acme")
        lifecycle.report_compromised(actor, provider_key, reason="leaked", secret=secret)
        archive(tmp_path)
    lifecycle.revoke(actor, app_key)
    for _ in range(2):
        archive(tmp_path)
        assert doctor.examine().findings == []
    AppKey.objects.update(state="active")
    for number in (1, 2):
        provider_key.versions.filter(number=number).update(stage=Stage.PREVIOUS)
        found = {(one.name, one.version, one.code) for one in doctor.examine().findings}
        assert found == {("Main", number, doctor.CAME_BACK), ("Web", 1, doctor.WRONG_STATE)}
        provider_key.versions.filter(number=number).update(stage=Stage.RETIRED)
