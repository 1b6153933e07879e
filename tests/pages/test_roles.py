"""Who may open what: outsiders get 404, weak roles 403, everybody else the page."""

from collections.abc import Callable

import pytest
from django.test import Client

from keys.models import AppKey, ProviderKey, User

ClientOf = Callable[..., Client]

OPEN, FORBIDDEN, ABSENT = 200, 403, 404
# page -> what owner, developer, viewer, outsider, site admin get
PAGES = {
    "/": (OPEN, OPEN, OPEN, OPEN, OPEN),
    "/applications/": (OPEN, OPEN, OPEN, OPEN, OPEN),
    "/applications/new/": (OPEN, OPEN, OPEN, OPEN, OPEN),
    "/connect/": (OPEN, OPEN, OPEN, OPEN, OPEN),
    "/checks/": (OPEN, OPEN, OPEN, OPEN, OPEN),
    "/providers/": (OPEN, OPEN, OPEN, OPEN, OPEN),
    "/providers/new/": (FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN, OPEN),
    "/audit/": (OPEN, OPEN, OPEN, OPEN, OPEN),
    "/settings/": (OPEN, OPEN, OPEN, OPEN, OPEN),
    "/settings/tokens/new/": (OPEN, OPEN, OPEN, OPEN, OPEN),
    "/settings/users/invite/": (FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN, OPEN),
    "/applications/shop/": (OPEN, OPEN, OPEN, ABSENT, OPEN),
    "/applications/shop/people/": (OPEN, OPEN, OPEN, ABSENT, OPEN),
    "/applications/shop/people/add/": (OPEN, FORBIDDEN, FORBIDDEN, ABSENT, OPEN),
    "/applications/shop/provider-keys/new/": (OPEN, FORBIDDEN, FORBIDDEN, ABSENT, OPEN),
    "/applications/shop/app-keys/new/": (OPEN, OPEN, FORBIDDEN, ABSENT, OPEN),
    "/applications/shop/provider-keys/{provider}/": (OPEN, OPEN, OPEN, ABSENT, OPEN),
    "/applications/shop/app-keys/{app}/": (OPEN, OPEN, OPEN, ABSENT, OPEN),
    "/applications/shop/app-keys/{app}/rotate/": (OPEN, OPEN, FORBIDDEN, ABSENT, OPEN),
    "/applications/shop/app-keys/{app}/finish/": (OPEN, OPEN, FORBIDDEN, ABSENT, OPEN),
    "/applications/shop/app-keys/{app}/limits/": (OPEN, FORBIDDEN, FORBIDDEN, ABSENT, OPEN),
    "/applications/shop/app-keys/{app}/revoke/": (OPEN, FORBIDDEN, FORBIDDEN, ABSENT, OPEN),
    "/applications/shop/app-keys/{app}/disable/": (OPEN, FORBIDDEN, FORBIDDEN, ABSENT, OPEN),
} | {
    f"/applications/shop/provider-keys/{{provider}}/{act}/": (
        OPEN,
        FORBIDDEN,
        FORBIDDEN,
        ABSENT,
        OPEN,
    )
    for act in ("rotate", "reveal", "revoke", "disable", "enable", "finish", "cancel")
}
ROLES = ("owner", "developer", "viewer", "outsider", "admin")


@pytest.mark.parametrize("role", ROLES)
def test_every_page_opens_for_whom_it_should(
    role: str,
    request: pytest.FixtureRequest,
    client_of: ClientOf,
    provider_key: ProviderKey,
    app_key: AppKey,
) -> None:
    client = client_of(request.getfixturevalue(role))
    wanted = {page: answers[ROLES.index(role)] for page, answers in PAGES.items()}
    ids = {"provider": provider_key.pk, "app": app_key.pk}
    found = {page: client.get(page.format(**ids)).status_code for page in PAGES}
    assert found == wanted


@pytest.mark.parametrize("page", PAGES)
def test_nobody_signed_out_sees_anything(
    page: str, client: Client, provider_key: ProviderKey, app_key: AppKey
) -> None:
    answer = client.get(page.format(provider=provider_key.pk, app=app_key.pk))
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")


@pytest.mark.parametrize("act", ["rotate", "finish", "cancel", "disable", "enable", "revoke"])
@pytest.mark.parametrize("kind", ["provider_key", "app_key"])
def test_sending_a_form_asks_for_the_role_again(
    kind: str,
    act: str,
    request: pytest.FixtureRequest,
    client_of: ClientOf,
    viewer: User,
    outsider: User,
) -> None:
    key = request.getfixturevalue(kind)
    url = f"/applications/shop/{kind.replace('_', '-')}s/{key.pk}/{act}/"
    data = {"secret": "some-new-secret", "overlap": "0"}
    assert client_of(viewer).post(url, data).status_code == 403
    assert client_of(outsider).post(url, data).status_code == 404
    key.refresh_from_db()
    assert key.state == "active"
