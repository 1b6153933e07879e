"""Who may open what: outsiders get 404, weak roles 403, everybody else the page."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import NoReverseMatch, reverse

from keys.models import AppKey, ProviderKey, User

ClientOf = Callable[..., Client]

OPEN, FORBIDDEN, ABSENT = 200, 403, 404
# page (its name, what it is about, its act) -> what owner, developer, viewer, outsider,
# site admin get
ALL = (OPEN, OPEN, OPEN, OPEN, OPEN)
ADMIN = (FORBIDDEN, FORBIDDEN, FORBIDDEN, FORBIDDEN, OPEN)
MEMBERS = (OPEN, OPEN, OPEN, ABSENT, OPEN)
DEVELOPERS = (OPEN, OPEN, FORBIDDEN, ABSENT, OPEN)
OWNERS = (OPEN, FORBIDDEN, FORBIDDEN, ABSENT, OPEN)
PAGES = {
    "overview": ALL,
    "applications": ALL,
    "application_create": ALL,
    "connect": ALL,
    "checks": ALL,
    "providers": ALL,
    "provider_create": ADMIN,
    "audit": ALL,
    "settings": ALL,
    "token_create": ALL,
    "user_invite": ADMIN,
    "user_link user": ADMIN,
    "application": MEMBERS,
    "application_people": MEMBERS,
    "application_delete": OWNERS,
    "member_add": OWNERS,
    "member_role member": OWNERS,
    "member_remove member": OWNERS,
    "provider_key_add": OWNERS,
    "provider_key": MEMBERS,
    "provider_key_rotate": OWNERS,
    "provider_key_reveal": OWNERS,
    "app_key_create": DEVELOPERS,
    "app_key": MEMBERS,
    "app_key_rotate": DEVELOPERS,
    "app_key_limits": OWNERS,
    "app_key_act finish": DEVELOPERS,
    "app_key_act cancel": DEVELOPERS,
    "app_key_act revoke": OWNERS,
    "app_key_act disable": OWNERS,
    "app_key_act enable": OWNERS,
} | {f"provider_key_act {act}": OWNERS for act in ("revoke", "disable", "enable", "finish")}
ROLES = ("owner", "developer", "viewer", "outsider", "admin")


@pytest.fixture
def address(developer: User, provider_key: ProviderKey, app_key: AppKey) -> Callable[[str], str]:
    """The address of an entry of PAGES."""

    def of(page: str) -> str:
        name, _, about = page.partition(" ")
        member = developer.memberships.get()
        abouts = {"user": developer.pk, "member": member.pk}
        inside = {"slug": "shop", "id": abouts.get(about), "name": about}
        if name.startswith("provider_key"):
            inside["id"] = provider_key.pk
        elif name.startswith("app_key"):
            inside["id"] = app_key.pk
        for wanted in ((), ("id",), ("slug",), ("slug", "id"), ("slug", "id", "name")):
            try:
                return reverse(name, kwargs={key: inside[key] for key in wanted})
            except NoReverseMatch:
                continue
        raise AssertionError(f"no page {page}")

    return of


@pytest.mark.parametrize("role", ROLES)
def test_every_page_opens_for_whom_it_should(
    role: str,
    request: pytest.FixtureRequest,
    client_of: ClientOf,
    address: Callable[[str], str],
) -> None:
    client = client_of(request.getfixturevalue(role))
    wanted = {page: answers[ROLES.index(role)] for page, answers in PAGES.items()}
    found = {page: client.get(address(page)).status_code for page in PAGES}
    assert found == wanted


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
