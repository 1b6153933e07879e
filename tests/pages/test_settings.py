"""Settings: one's own tokens; for site admins the vault, the users and their links."""

from collections.abc import Callable

from django.test import Client
from django.urls import reverse

from keys.forms.team import SCOPES
from keys.models import ApiToken, Application, AuditEvent, User
from tests.factories import ApiTokenFactory

ClientOf = Callable[..., Client]


def test_a_token_is_shown_once_and_works(client_of: ClientOf, viewer: User) -> None:
    client = client_of(viewer)
    answer = client.post("/settings/tokens/new/", {"name": "CI", "scopes": ["read"]})
    text = answer.content.decode().split('value="kdt_')[1].split('"')[0]
    assert answer["Cache-Control"] == "no-store"
    token = ApiToken.objects.get()
    assert (token.user, token.scopes) == (viewer, ["read"])
    page = client.get("/settings/").content.decode()
    assert "CI" in page
    assert text not in page


def test_a_token_needs_the_step_up_a_name_and_a_scope(client_of: ClientOf, viewer: User) -> None:
    assert client_of(viewer, fresh=False).get("/settings/tokens/new/").status_code == 302
    client = client_of(viewer)
    assert client.post("/settings/tokens/new/", {"name": "", "scopes": ["read"]}).status_code == 422
    assert client.post("/settings/tokens/new/", {"name": "CI"}).status_code == 422
    assert ApiToken.objects.count() == 0


def test_revoking_a_token_is_for_its_owner(client_of: ClientOf, viewer: User, admin: User) -> None:
    token = ApiTokenFactory(user=viewer)
    url = reverse("token_revoke", args=[token.pk])
    assert client_of(admin).post(url).status_code == 404
    client_of(viewer).post(url)
    token.refresh_from_db()
    assert token.revoked_at is not None


def test_the_vault_and_the_users_are_the_site_admins(
    client_of: ClientOf, admin: User, owner: User
) -> None:
    page = client_of(admin).get("/settings/").content.decode()
    assert "Master key" in page
    assert owner.email in page
    page = client_of(owner).get("/settings/").content.decode()
    assert "Master key" not in page
    assert "Users" not in page


def test_a_password_link_is_made_on_purpose_and_written_down(
    client_of: ClientOf, admin: User, viewer: User
) -> None:
    url = f"/settings/users/{viewer.pk}/link/"
    assert client_of(viewer).get(url).status_code == 403
    assert client_of(admin, fresh=False).get(url).status_code == 302
    assert client_of(admin, fresh=False).post(url).status_code == 422
    client = client_of(admin)
    assert "/accounts/password/reset/key/" not in client.get(url).content.decode()
    assert "/accounts/password/reset/key/" in client.post(url).content.decode()
    event = AuditEvent.objects.get(action="user.password_link_made")
    assert (event.actor, event.detail["email"]) == (admin, viewer.email)


def test_inviting_puts_somebody_into_an_application(
    client_of: ClientOf, admin: User, application: Application
) -> None:
    data = {"email": "new@example.com", "application": "shop", "role": "viewer"}
    client_of(admin).post("/settings/users/invite/", data)
    assert application.memberships.get().user.email == "new@example.com"


def test_the_form_says_of_each_scope_what_rest_lets_it_do() -> None:
    words = {name: text.partition(": ")[2] for name, text in SCOPES}
    assert "copy app keys" in words["manage"]
    for act in ("rotate", "revoke", "members", "reveal provider keys"):
        assert act in words["secrets"]
        assert act not in words["manage"]
