"""Custom providers: what a site admin may describe, and what would leak or break."""

from typing import Any

import pytest
from pytest_django import Settings

from keys import lifecycle, providers, validation, vault
from keys.audit import Actor
from keys.lifecycle import Conflict, Invalid
from keys.models import Application, Provider
from keys.states import Verdict
from tests.upstream import Upstream

GOOD: dict[str, Any] = {
    "slug": "acme",
    "name": "Acme",
    "base_url": "https://api.acme.example/v1/",
    "credential_in": "header",
    "credential_name": "X-Acme-Key",
    "probe_method": "get",
    "probe_path": "/me?full=1",
}


def create(**changed: Any) -> Provider:
    return lifecycle.create_custom_provider(Actor.system("test"), **{**GOOD, **changed})


@pytest.mark.django_db
def test_a_described_provider_is_one_of_all() -> None:
    row = create()
    assert (row.base_url, row.probe_method) == ("https://api.acme.example/v1", "GET")
    assert providers.get("acme").probe is not None
    assert create(slug="bare", probe_path="", credential_in="bearer").credential_name == ""
    with pytest.raises(Invalid, match="Only a header"):
        create(slug="odd", credential_in="query", credential_prefix="Token")


@pytest.mark.django_db
@pytest.mark.parametrize("slug", ["modelslab", "openai", "anthropic", "acme"])
def test_a_slug_that_is_taken_is_a_conflict(slug: str) -> None:
    create()
    with pytest.raises(Conflict) as caught:
        create(slug=slug)
    assert caught.value.existing == slug


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slug", "sandbox"),
        ("slug", "Acme"),
        ("slug", "a/b"),
        ("name", ""),
        ("base_url", ""),
        ("base_url", "acme.example"),
        ("base_url", "http://api.acme.example"),
        ("base_url", "ftp://api.acme.example"),
        ("base_url", "https://"),
        ("base_url", "https://user:pass@api.acme.example"),
        ("base_url", "https://api.acme.example/?a=1"),
        ("base_url", "https://api.acme.example/#a"),
        ("base_url", "https://api.acme.example/a/../b"),
        ("base_url", "https://api.acme.example:99999"),
        ("base_url", "https://[::1"),
        ("base_url", "https://a b.example"),
        ("base_url", "https://a\\b.example"),
        ("base_url", "https://a.example/" + "x" * 300),
        ("base_url", "https://169.254.169.254"),
        ("base_url", "https://localhost"),
        ("base_url", "https://2130706433"),
        ("base_url", "https://[::ffff:127.0.0.1]"),
        ("base_url", "https://127.0.0.1:8000/api"),
        ("credential_in", "cookie"),
        ("credential_name", ""),
        ("credential_name", "X Key"),
        ("credential_name", "X-Key\r\nHost: evil"),
        ("credential_name", "Host"),
        ("credential_name", "Content-Length"),
        ("credential_prefix", "Token\r\nHost: evil"),
        ("credential_prefix", "x" * 31),
        ("probe_method", "DELETE"),
        ("probe_path", "me"),
        ("probe_path", "//evil.example"),
        ("probe_path", "/a b"),
        ("probe_path", "/a#b"),
    ],
)
def test_what_would_leak_or_break_is_refused_by_its_field(field: str, value: str) -> None:
    with pytest.raises(Invalid) as caught:
        create(**{field: value})
    assert caught.value.field == field
    assert not Provider.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_credential_in_the_body_is_probed_by_post(method: str) -> None:
    body = {"credential_in": "body", "credential_name": "auth"}
    with pytest.raises(Invalid) as caught:
        create(**body, probe_method=method)
    assert caught.value.field == "probe_method"
    assert create(**body, probe_method="").probe_method == "POST"
    assert create(**body, slug="bare", probe_path="", probe_method="GET").probe_method == ""


@pytest.mark.django_db
def test_a_body_provider_described_before_gets_its_key_in_a_body(allow_upstream: Upstream) -> None:
    row = Provider(
        slug="old", name="Old", base_url=allow_upstream.url, credential_in="body",
        credential_name="auth", probe_method="GET", probe_path="/me",
    )  # fmt: skip
    validation.probe(providers.custom.spec_of(row), vault.Secret("s3cret-of-old"))
    (received,) = allow_upstream.requests
    assert received.target == "/me"
    assert received.json() == {"auth": "s3cret-of-old"}


@pytest.mark.django_db
@pytest.mark.parametrize("host", ["localhost", "2130706433", "[::ffff:127.0.0.1]", "127.0.0.1"])
def test_a_private_host_is_blocked_at_the_connection_too(
    upstream: Upstream, application: Application, host: str
) -> None:
    Provider.objects.create(
        slug="inside", name="Inside", base_url=f"https://{host}:{upstream.port}",
        credential_in="bearer", probe_method="GET", probe_path="/me",
    )  # fmt: skip
    key = lifecycle.add_provider_key(
        Actor.system("test"), application, name="k", provider="inside", secret="s3cret-of-mine"
    )
    assert key.verdict in (Verdict.UNKNOWN, Verdict.UNCHECKED)
    assert key.evidence["code"] == "blocked"
    assert upstream.requests == []


@pytest.mark.django_db
def test_plain_http_needs_the_operators_word_for_that_very_address(settings: Settings) -> None:
    settings.OUTBOUND_ALLOW = ["10.0.0.5:8080"]
    assert create(base_url="http://10.0.0.5:8080/api").base_url == "http://10.0.0.5:8080/api"
    with pytest.raises(Invalid):
        create(slug="other", base_url="http://10.0.0.5:8081/api")
