"""Deleting an application: its name typed, a fresh sign-in, and everything is gone."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from keys.models import AppKey, Application, AuditEvent, DataKey, ProviderKey, User

ClientOf = Callable[..., Client]
DELETE = "/applications/shop/delete/"


def test_the_name_typed_deletes_it_with_its_keys(
    client_of: ClientOf, owner: User, app_key: AppKey, provider_key: ProviderKey
) -> None:
    client = client_of(owner)
    assert DELETE in client.get("/applications/shop/people/").content.decode()
    assert "Type Shop to go on" in (asked := client.get(DELETE).content.decode())
    assert "Its 1 app key is refused" in asked and "its 1 provider key is destroyed" in asked
    assert f"{reverse('usage_impact')}?application=shop" in asked
    answer = client.post(DELETE, {"typed": "Shop"}, follow=True)
    assert answer.redirect_chain == [(reverse("applications"), 302)]
    assert "Shop is deleted." in answer.content.decode()
    for model in (Application, AppKey, ProviderKey):
        assert not model.objects.exists()
    assert not DataKey.objects.exclude(application=None).exists()
    assert AuditEvent.objects.get().action == "application.deleted"


@pytest.mark.parametrize("typed", ["", "shop", "Shops"])
def test_anything_else_typed_deletes_nothing(
    typed: str, client_of: ClientOf, owner: User, application: Application
) -> None:
    assert client_of(owner).post(DELETE, {"typed": typed}).status_code == 422
    assert Application.objects.filter(pk=application.pk).exists()


def test_it_needs_a_fresh_sign_in(
    client_of: ClientOf, owner: User, application: Application
) -> None:
    client = client_of(owner, fresh=False)
    assert "/reauthenticate/" in client.get(DELETE)["Location"]
    assert client.post(DELETE, {"typed": "Shop"}).status_code == 422
    assert Application.objects.filter(pk=application.pk).exists()


def test_who_may_not_delete_sees_no_button_and_is_refused(
    client_of: ClientOf, developer: User, application: Application
) -> None:
    client = client_of(developer)
    assert DELETE not in client.get("/applications/shop/people/").content.decode()
    assert client.post(DELETE, {"typed": "Shop"}).status_code == 403
    assert Application.objects.filter(pk=application.pk).exists()
