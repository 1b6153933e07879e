"""A provider that was described over REST works like a built-in one, wherever its key goes."""

from collections.abc import Callable

from keys.models import Application
from tests.factories import ApiTokenFactory, UserFactory
from tests.gateway.serving import Server, stored_call
from tests.rest.conftest import Rest
from tests.upstream import Received, Upstream

# The credential as REST takes it, and whether the secret arrived there.
PLACES: dict[str, tuple[dict[str, str], Callable[[Received, str], bool]]] = {
    "bearer": ({"in": "bearer"}, lambda got, key: got.header("Authorization") == f"Bearer {key}"),
    "header": ({"in": "header", "name": "X-Acme"}, lambda got, key: got.header("X-Acme") == key),
    "scheme": (
        {"in": "header", "name": "Authorization", "prefix": "Token"},
        lambda got, key: got.header("Authorization") == f"Token {key}",
    ),
    "query": ({"in": "query", "name": "appid"}, lambda got, key: ("appid", key) in got.query),
    "body": ({"in": "body", "name": "auth"}, lambda got, key: got.json()["auth"] == key),
}


def test_a_described_provider_gets_its_key_where_it_wants_it(
    gateway: Server, provider: Upstream, application: Application
) -> None:
    rest = Rest(ApiTokenFactory(user=UserFactory(is_superuser=True)).plaintext)
    inside = f"/applications/{application.slug}"
    key = rest.post(f"{inside}/app-keys", {"name": "code", "providers": None}).json["key"]
    for slug, (credential, arrived) in PLACES.items():
        secret = f"secret-of-{slug}-0123456789abcdef"
        probe = {"method": "POST" if slug == "body" else "GET", "path": "/me"}
        described = {"slug": slug, "name": slug, "base_url": provider.url + "/base"}
        answer = rest.post("/providers", {**described, "credential": credential, "probe": probe})
        assert answer.status == 201, answer.text
        made = {"name": slug, "provider": slug, "secret": secret}
        assert rest.post(f"{inside}/provider-keys", made).json["verdict"] == "live"
        assert arrived(provider.requests[-1], secret), slug
        for options in ({"headers": {"Authorization": f"Bearer {key}"}}, {"params": {"key": key}}):
            response = gateway.post("/v1/things?a=1", slug, json={"b": 2}, **options)
            assert (response.status_code, response.json()["status"]) == (200, "success")
            received = provider.requests[-1]
            assert (received.path, received.json()["b"]) == ("/base/v1/things", 2)
            assert arrived(received, secret), slug
            assert str(received).count(secret) == 1
            assert key not in str(received)
            assert stored_call(response).provider == slug
