"""The one form: both keys from one secret."""

import pytest

from keys import lifecycle, vault
from keys.audit import Actor
from keys.lifecycle import Conflict, Invalid
from keys.models import AppKey, Application, ProviderKey
from tests.keys.conftest import Acme


def test_it_makes_both_keys_and_the_app_key_is_for_that_provider(
    actor: Actor, application: Application, acme: Acme
) -> None:
    key, app_key = lifecycle.connect(
        actor, application, provider="acme", secret=acme.knows("sk-acme-live-0001")
    )
    assert (key.name, key.verdict) == ("Acme", "live")
    assert (app_key.name, app_key.providers) == ("Acme app key", ["acme"])
    assert app_key.issued is not None
    lookup = app_key.versions.get().lookup
    assert lookup == vault.lookup_hash(app_key.issued.reveal())
    assert lifecycle.copy_app_key(actor, app_key) == app_key.issued


def test_names_are_made_one_of_a_kind(actor: Actor, application: Application, acme: Acme) -> None:
    for number in range(3):
        secret = acme.knows(f"sk-acme-live-{number}")
        lifecycle.connect(actor, application, provider="acme", secret=secret)
    assert set(ProviderKey.objects.values_list("name", flat=True)) == {"Acme", "Acme 2", "Acme 3"}
    assert AppKey.objects.filter(name="Acme 3 app key").exists()


def test_a_refused_input_leaves_neither_key(
    actor: Actor, application: Application, acme: Acme
) -> None:
    lifecycle.connect(actor, application, provider="acme", secret=acme.knows("sk-acme-live-1"))
    with pytest.raises(Conflict):
        lifecycle.connect(actor, application, provider="acme", secret="sk-acme-live-1")
    with pytest.raises(Invalid):
        lifecycle.connect(actor, application, provider="acme", secret=" ")
    assert (ProviderKey.objects.count(), AppKey.objects.count()) == (1, 1)


def test_where_keys_are_shown_once_the_text_is_given_out_but_not_kept(
    actor: Actor, application: Application, acme: Acme
) -> None:
    lifecycle.set_policy(actor, application, show_app_keys_once=True)
    _, app_key = lifecycle.connect(
        actor, application, provider="acme", secret=acme.knows("sk-acme-live-0001")
    )
    assert app_key.issued is not None
    assert app_key.versions.get().sealed == ""
    with pytest.raises(Conflict, match="once"):
        lifecycle.copy_app_key(actor, app_key)
