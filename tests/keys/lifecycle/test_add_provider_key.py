"""Adding a provider key: sealed, tested on the spot, never twice."""

import pytest

from keys import lifecycle, vault
from keys.audit import Actor
from keys.lifecycle import Conflict, Invalid
from keys.lifecycle.versions import slot_of
from keys.models import Application, AuditEvent, Check, Provider, ProviderKey, ProviderKeyVersion
from keys.vault import Secret
from tests.factories import ApplicationFactory
from tests.keys.conftest import Acme


def add(actor: Actor, application: Application, secret: str, name: str = "Acme") -> ProviderKey:
    return lifecycle.add_provider_key(
        actor, application, name=name, provider="acme", secret=Secret(secret)
    )


def test_the_secret_is_sealed_and_the_verdict_is_there_at_once(
    actor: Actor, application: Application, acme: Acme
) -> None:
    key = add(actor, application, acme.knows("sk-acme-live-0001"))
    assert (key.state, key.verdict, key.trimmed) == ("active", "live", False)
    version = key.versions.get()
    assert (version.number, version.stage, version.last4) == (1, "current", "0001")
    assert "sk-acme" not in version.sealed
    assert vault.unseal(slot_of(key, version), version.sealed).reveal() == "sk-acme-live-0001"
    assert Check.objects.get(key=key).moved_to == "live"


@pytest.mark.parametrize(
    ("status", "verdict"), [(401, "dead"), (402, "exhausted"), (403, "limited"), (500, "unknown")]
)
def test_a_secret_the_provider_does_not_take_is_there_with_its_verdict(
    actor: Actor, application: Application, acme: Acme, status: int, verdict: str
) -> None:
    key = add(actor, application, acme.knows("sk-acme-0001", status))
    assert (key.state, key.verdict) == ("active", verdict)


def test_a_provider_that_hangs_up_leaves_the_verdict_unknown(
    actor: Actor, application: Application, acme: Acme
) -> None:
    acme.upstream.handler = None
    acme.upstream.answer(hang_up=True)
    assert add(actor, application, "sk-acme-0001").verdict == "unknown"


def test_without_a_probe_the_verdict_stays_unchecked(
    actor: Actor, application: Application, blind: Provider
) -> None:
    key = lifecycle.add_provider_key(
        actor, application, name="Blind", provider="blind", secret="sk-blind-0001"
    )
    assert key.verdict == "unchecked"
    assert not Check.objects.exists()


def test_its_part_in_the_pool_is_chosen_with_it(
    actor: Actor, application: Application, acme: Acme
) -> None:
    key = lifecycle.add_provider_key(
        actor,
        application,
        name="Second",
        provider="acme",
        secret=acme.knows("sk-acme-0001"),
        priority=2,
        weight=3,
        concurrency=5,
    )
    assert (key.priority, key.weight, key.concurrency) == (2, 3, 5)
    with pytest.raises(Invalid, match="weight"):
        lifecycle.add_provider_key(
            actor, application, name="Third", provider="acme", secret="sk-acme-3", weight=0
        )
    assert ProviderKey.objects.count() == 1


def test_whitespace_around_the_secret_is_trimmed_and_said(
    actor: Actor, application: Application, acme: Acme
) -> None:
    acme.knows("sk-acme-live-0001")
    key = add(actor, application, " \tsk-acme-live-0001\r\n")
    assert key.trimmed
    assert key.verdict == "live"


@pytest.mark.parametrize(
    "secret",
    ["", "   \n", "two words", "line\nbreak", "tab\there", "null\0byte", "zero​width", "x" * 4097],
)
def test_a_secret_that_no_provider_issues_is_refused(
    actor: Actor, application: Application, acme: Acme, secret: str
) -> None:
    with pytest.raises(Invalid) as caught:
        add(actor, application, secret)
    assert caught.value.field == "secret"
    assert not ProviderKey.objects.exists()
    assert acme.upstream.requests == []


def test_the_same_secret_twice_in_one_application_names_the_one_that_is_there(
    actor: Actor, application: Application, acme: Acme
) -> None:
    first = add(actor, application, acme.knows("sk-acme-live-0001"), name="The first")
    with pytest.raises(Conflict, match="The first") as caught:
        add(actor, application, " sk-acme-live-0001 ", name="The second")
    assert caught.value.existing == first.pk
    assert ProviderKey.objects.count() == 1


def test_another_application_may_hold_the_same_secret(
    actor: Actor, application: Application, acme: Acme
) -> None:
    add(actor, application, acme.knows("sk-acme-live-0001"))
    add(actor, ApplicationFactory(), "sk-acme-live-0001")
    assert len(set(ProviderKeyVersion.objects.values_list("sealed", flat=True))) == 2


def test_a_revoked_keys_secret_may_come_back(
    actor: Actor, application: Application, acme: Acme
) -> None:
    key = add(actor, application, acme.knows("sk-acme-live-0001"))
    lifecycle.revoke(actor, key)
    add(actor, application, "sk-acme-live-0001", name="Again")


def test_a_name_is_one_of_a_kind_in_its_application(
    actor: Actor, application: Application, acme: Acme
) -> None:
    add(actor, application, acme.knows("sk-acme-live-0001"), name="Main")
    with pytest.raises(Conflict, match="Main"):
        add(actor, application, acme.knows("sk-acme-live-0002"), name="Main")
    add(actor, ApplicationFactory(), "sk-acme-live-0001", name="Main")


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "with\nnewline", "nul\0"])
def test_a_name_that_is_none_is_refused(
    actor: Actor, application: Application, acme: Acme, name: str
) -> None:
    with pytest.raises(Invalid) as caught:
        add(actor, application, "sk-acme-live-0001", name=name)
    assert caught.value.field == "name"


def test_an_unknown_provider_is_refused(actor: Actor, application: Application) -> None:
    with pytest.raises(Invalid) as caught:
        lifecycle.add_provider_key(actor, application, name="A", provider="nobody", secret="s" * 9)
    assert caught.value.field == "provider"


def test_the_audit_tells_who_and_what_but_not_the_secret(
    actor: Actor, application: Application, acme: Acme
) -> None:
    key = add(actor, application, acme.knows("sk-acme-live-0001"))
    event = AuditEvent.objects.get(target=f"provider_key:{key.pk}")
    assert (event.action, event.actor_name) == ("provider_key.added", actor.name)
    assert "sk-acme" not in str(event.detail)
