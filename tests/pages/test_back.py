"""Every page below another has one way back to it, in one place."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from keys.models import AppKey, ProviderKey, User
from tests.pages.conftest import page_of

ClientOf = Callable[..., Client]
SHOP = "/applications/shop/"


def back_of(page: str) -> list[str]:
    """Where the ways back lead."""
    return [part.split('href="')[1].split('"')[0] for part in page.split("kd-back")[1:]]


@pytest.mark.parametrize(
    ("address", "parent"),
    [
        (SHOP, "/applications/"),
        (f"{SHOP}people/", "/applications/"),
        (f"{SHOP}import/", SHOP),
        (f"{SHOP}app-keys/new/", SHOP),
        ("/connect/", "/applications/"),
        ("/settings/jobs/", "/settings/"),
        ("/ledger/quarantine/", "/ledger/"),
        ("/alerts/deliveries/", "/alerts/"),
        ("/alerts/rules/new/", "/alerts/"),
        ("/providers/new/", "/providers/"),
        ("/usage/panel/", "/"),
        ("/usage/panel/?application=shop", SHOP),
        ("/usage/table/?application=shop", SHOP),
    ],
)
def test_a_page_leads_back_to_its_parent(
    address: str, parent: str, client_of: ClientOf, admin: User, app_key: AppKey
) -> None:
    assert back_of(client_of(admin).get(address).content.decode()) == [parent]


def test_a_key_leads_back_to_its_application_and_its_usage_to_the_key(
    client_of: ClientOf, admin: User, app_key: AppKey, provider_key: ProviderKey
) -> None:
    client = client_of(admin)
    for key in (app_key, provider_key):
        assert back_of(client.get(page_of(key)).content.decode()) == [SHOP]
        usage = client.get(f"{reverse('usage_panel')}?{key.kind}={key.pk}").content.decode()
        assert back_of(usage) == [page_of(key)]
