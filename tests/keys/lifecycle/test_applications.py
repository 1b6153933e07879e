"""Applications and their members."""

import pytest

from keys import lifecycle, vault
from keys.audit import Actor
from keys.lifecycle import Conflict, Invalid
from keys.lifecycle.versions import slot_of
from keys.models import Application, AuditEvent, DataKey, Membership, User
from keys.vault import Undecryptable
from tests.factories import ProviderKeyFactory


def test_whoever_makes_an_application_owns_it_and_it_has_its_data_key(outsider: User) -> None:
    made = lifecycle.create_application(Actor.person(outsider), name="Photo Shop")
    assert made.slug == "photo-shop"
    assert Membership.objects.get(application=made, user=outsider).role == "owner"
    assert DataKey.objects.filter(application=made).count() == 1


def test_a_slug_not_given_is_made_free(actor: Actor) -> None:
    slugs = [lifecycle.create_application(actor, name="Photo").slug for _ in range(3)]
    assert slugs == ["photo", "photo-2", "photo-3"]
    assert lifecycle.create_application(actor, name="New").slug == "new-2"


def test_a_slug_given_is_taken_or_refused(actor: Actor, application: Application) -> None:
    with pytest.raises(Conflict) as taken:
        lifecycle.create_application(actor, name="Other", slug=application.slug)
    assert taken.value.existing == "shop"
    for slug in ("new", "Up", "a b", "-a", "a--b", "x" * 51, "é", "a\n"):
        with pytest.raises(Invalid) as caught:
            lifecycle.create_application(actor, name="Other", slug=slug)
        assert caught.value.field == "slug"


@pytest.mark.parametrize("name", ["", " ", "日本", "!!!", "x" * 101])
def test_a_name_that_makes_no_application_is_refused(actor: Actor, name: str) -> None:
    with pytest.raises(Invalid):
        lifecycle.create_application(actor, name=name)


def test_deleting_an_application_shreds_its_secrets_and_stays_in_the_audit(
    actor: Actor, application: Application
) -> None:
    key = ProviderKeyFactory(application=application)
    version = key.versions.get()
    slot, stored = slot_of(key, version), version.sealed
    vault.unseal(slot, stored)
    id = application.pk
    lifecycle.delete_application(actor, application)
    with pytest.raises(Undecryptable):
        vault.unseal(slot, stored)
    event = AuditEvent.objects.get(action="application.deleted")
    assert (event.application_id, event.detail["slug"]) == (id, "shop")


def test_an_unknown_person_is_invited_without_a_password(
    actor: Actor, application: Application
) -> None:
    membership = lifecycle.add_member(
        actor, application, email=" New@Example.com ", role="developer"
    )
    user = User.objects.get(email="new@example.com")
    assert membership.user == user
    assert not user.has_usable_password()


def test_a_member_is_added_once(actor: Actor, application: Application, viewer: User) -> None:
    with pytest.raises(Conflict) as caught:
        lifecycle.add_member(actor, application, email=viewer.email, role="owner")
    assert caught.value.existing == viewer.email


@pytest.mark.parametrize(
    ("field", "given"),
    [("email", {"email": "nobody"}), ("email", {"email": ""}), ("role", {"role": "king"})],
)
def test_bad_input_is_refused_by_its_field(
    actor: Actor, application: Application, field: str, given: dict[str, str]
) -> None:
    with pytest.raises(Invalid) as caught:
        lifecycle.add_member(
            actor, application, **{"email": "a@example.com", "role": "viewer", **given}
        )
    assert caught.value.field == field


def test_an_application_keeps_an_owner(
    actor: Actor, application: Application, owner: User, developer: User
) -> None:
    last = Membership.objects.get(user=owner)
    with pytest.raises(Conflict, match="owner"):
        lifecycle.remove_member(actor, last)
    with pytest.raises(Conflict, match="owner"):
        lifecycle.change_role(actor, last, role="viewer")
    lifecycle.change_role(actor, Membership.objects.get(user=developer), role="owner")
    lifecycle.remove_member(actor, last)
    assert not Membership.objects.filter(user=owner).exists()
    told = list(AuditEvent.objects.order_by("id").values_list("action", "detail__email"))
    assert told == [("member.changed", developer.email), ("member.removed", owner.email)]


def test_a_policy_that_does_not_change_leaves_no_trace(
    actor: Actor, application: Application
) -> None:
    lifecycle.set_policy(actor, application, developers_copy_provider_keys=True)
    lifecycle.set_policy(actor, application, developers_copy_provider_keys=True)
    event = AuditEvent.objects.get(action="application.policy_changed")
    assert event.detail == {"developers_copy_provider_keys": True}
