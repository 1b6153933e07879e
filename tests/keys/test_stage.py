"""The suite's own stage: cast, factories and the upstream that tests run against."""

import requests
from django.test import Client

from keys import tokens, vault
from keys.lifecycle.versions import slot_of
from keys.models import Application, User
from tests.factories import ApiTokenFactory, AppKeyFactory, ProviderKeyFactory
from tests.upstream import Upstream


def test_a_provider_key_of_the_factory_opens(application: Application) -> None:
    key = ProviderKeyFactory(application=application, secret="the real secret")
    version = key.versions.get()
    assert vault.unseal(slot_of(key, version), version.sealed).reveal() == "the real secret"


def test_an_app_key_of_the_factory_is_found_by_its_hash(application: Application) -> None:
    key = AppKeyFactory(application=application)
    assert tokens.parse_app_key(key.plaintext) == tokens.ParsedKey("live", key.pk)
    assert key.versions.get().lookup == vault.lookup_hash(key.plaintext)


def test_a_token_of_the_factory_is_found_by_its_digest(owner: User) -> None:
    token = ApiTokenFactory(user=owner)
    assert tokens.parse_api_token(token.plaintext) == token.pk
    digest = tokens.token_digest(token.plaintext, owner.pk, token.scopes, None)
    assert digest == token.digest


def test_the_upstream_answers_as_told_and_remembers(upstream: Upstream) -> None:
    upstream.answer(402, {"status": "error"}, path="/pay")
    reply = requests.post(f"{upstream.url}/pay?a=1", json={"key": "x"}, timeout=60)
    assert (reply.status_code, reply.json()) == (402, {"status": "error"})
    [received] = upstream.requests
    assert (received.method, received.path, received.query) == ("POST", "/pay", [("a", "1")])
    assert received.json() == {"key": "x"}


def test_the_upstream_streams(upstream: Upstream) -> None:
    upstream.answer(200, iter([b"one ", b"two"]))
    assert requests.get(upstream.url, timeout=60).content == b"one two"


def test_client_of_is_signed_in(owner: User, client_of: object) -> None:
    client = client_of(owner)  # type: ignore[operator]
    assert isinstance(client, Client)
    assert client.session["_auth_user_id"] == str(owner.pk)
