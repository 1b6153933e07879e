"""Who gets in: a good token of an active person, with the scope that the act needs."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from keys import lifecycle, tokens, vault
from keys.audit import Actor
from keys.models import ApiToken
from tests.factories import ApiTokenFactory
from tests.rest.conftest import Rest

pytestmark = pytest.mark.django_db


def test_a_good_token_opens(rest, owner):
    assert rest(owner).get("/applications").status == 200


def test_without_a_token_it_says_what_to_send(application):
    answer = Rest("").get("/applications")

    assert answer.status == 401
    assert answer.json["error"]["code"] == "token_required"
    assert answer.json["error"]["type"] == "authentication_error"
    assert answer.json["message"] == answer.json["error"]["message"]
    assert answer.response["WWW-Authenticate"].startswith("Bearer")
    assert answer.response["Content-Type"].startswith("application/json")


def test_a_session_does_not_open_it(owner):
    client = Client()
    client.force_login(owner)

    assert client.get("/api/v1/applications").status_code == 401


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-1] + ("a" if text[-1] != "a" else "b"),
        lambda text: text[:-4],
        lambda text: tokens.new_api_token("000000000000"),
        lambda text: "kdt_" + "x" * 60,
        lambda text: "\x00",
        lambda text: "ü" * 10,
    ],
)
def test_any_other_token_is_invalid(owner, spoil):
    token = ApiTokenFactory(user=owner)

    answer = Rest(spoil(token.plaintext)).get("/applications")

    assert (answer.status, answer.json["error"]["code"]) == (401, "invalid_token")


@pytest.mark.parametrize("scheme", ["Basic", "Token", ""])
def test_the_token_goes_into_bearer_alone(owner, scheme):
    token = ApiTokenFactory(user=owner)
    client = Client(headers={"Authorization": f"{scheme} {token.plaintext}".strip()})

    assert client.get("/api/v1/applications").status_code == 401


def test_a_revoked_token_is_invalid(owner):
    token = ApiTokenFactory(user=owner, revoked_at=timezone.now())

    assert Rest(token.plaintext).get("/applications").status == 401


def test_an_expired_token_is_invalid(owner):
    token = ApiTokenFactory(user=owner, expires_at=timezone.now() - timedelta(seconds=1))

    assert Rest(token.plaintext).get("/applications").status == 401


def test_a_token_of_somebody_who_left_is_invalid(owner):
    token = ApiTokenFactory(user=owner)
    owner.is_active = False
    owner.save()

    assert Rest(token.plaintext).get("/applications").status == 401


def test_tokens_work_while_the_vault_is_sealed(owner, settings):
    token = ApiTokenFactory(user=owner)
    settings.MASTER_KEYS = ""
    vault.forget()

    assert Rest(token.plaintext).get("/applications").status == 200


@pytest.mark.parametrize(
    ("scopes", "method", "path", "missing"),
    [
        (["manage", "secrets"], "GET", "/applications", "read"),
        (["read", "secrets"], "POST", "/applications", "manage"),
        (["read", "manage"], "POST", "/providers", "secrets"),
        (["read", "manage"], "POST", "/applications/shop/members", "secrets"),
        (["read", "manage"], "POST", "/applications/shop/app-keys/x/revoke", "secrets"),
        (["read", "manage"], "POST", "/applications/shop/app-keys/x/rotate", "secrets"),
        (["read", "manage"], "POST", "/applications/shop/provider-keys/x/reveal", "secrets"),
        (["read", "manage"], "POST", "/applications/shop/provider-keys/x/rotate", "secrets"),
        (["read", "secrets"], "POST", "/applications/shop/provider-keys/x/check", "manage"),
    ],
)
def test_a_missing_scope_is_named(rest, owner, scopes, method, path, missing):
    answer = rest(owner, scopes=scopes).call(method, path)

    assert answer.status == 403
    assert answer.json["error"]["code"] == "scope_missing"
    assert answer.json["error"]["scope"] == missing
    assert missing in answer.json["message"]


def test_last_use_is_written_at_most_once_a_minute(owner):
    token = ApiTokenFactory(user=owner)
    Rest(token.plaintext).get("/applications")
    first = ApiToken.objects.get(pk=token.pk).last_used_at
    Rest(token.plaintext).get("/applications")
    assert ApiToken.objects.get(pk=token.pk).last_used_at == first

    long_ago = timezone.now() - timedelta(seconds=61)
    ApiToken.objects.filter(pk=token.pk).update(last_used_at=long_ago)
    Rest(token.plaintext).get("/applications")
    assert ApiToken.objects.get(pk=token.pk).last_used_at > long_ago


def test_a_token_is_nobody_elses_and_can_no_more_than_it_was_issued_for(owner, viewer):
    """Rows written past Keydeck: another person, more scopes, a longer life, or a second one."""
    token = ApiTokenFactory(user=viewer, scopes=["read"])
    assert Rest(token.plaintext).get("/applications").status == 200
    later = timezone.now() + timedelta(days=300)
    whole = {"user": viewer, "scopes": ["read"], "expires_at": None}
    for forged in ({"user": owner}, {"scopes": ["read", "secrets"]}, {"expires_at": later}):
        ApiToken.objects.filter(pk=token.pk).update(**{**whole, **forged})
        assert Rest(token.plaintext).get("/applications").status == 401
    ApiToken.objects.filter(pk=token.pk).update(**whole)
    lifecycle.revoke_token(Actor.person(viewer), token)
    ApiToken.objects.filter(pk=token.pk).update(revoked_at=None)
    assert Rest(token.plaintext).get("/applications").status == 401
