"""What no app key may call: what issues keys, moves money or takes from the account."""

import pytest

from keys.providers import endpoints
from keys.providers.anthropic import ANTHROPIC
from keys.providers.base import ProviderSpec
from keys.providers.elevenlabs import ELEVENLABS
from keys.providers.gemini import GEMINI
from keys.providers.github import GITHUB
from keys.providers.groq import GROQ
from keys.providers.mistral import MISTRAL
from keys.providers.modelslab import MODELSLAB
from keys.providers.openai import OPENAI
from keys.providers.openrouter import OPENROUTER
from keys.providers.registry import BUILT_IN
from keys.providers.stripe import STRIPE


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.slug)
def test_every_built_in_provider_says_what_is_dangerous(spec: ProviderSpec) -> None:
    assert spec.dangerous
    for pattern in spec.dangerous:
        method, _, path = pattern.rpartition(" ")
        assert method in ("", "DELETE") and path.startswith("/") and path == path.lower()
    assert spec.probe is not None
    assert not spec.denied(spec.probe.method, spec.probe.path)
    assert not spec.denied(spec.example.method, spec.example.path)


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        (MODELSLAB, "/api/v3/buy_subscription"),
        (MODELSLAB, "/index.php/API/agents/v1/api-keys"),
        (OPENAI, "/v1/realtime/client_secrets"),
        (OPENAI, "/v1/realtime/sessions"),
        (OPENAI, "/v1/realtime/transcription_sessions"),
        (OPENAI, "/v1/chatkit/sessions"),
        (OPENAI, "/v1/organization/admin_api_keys"),
        (OPENAI, "/v1/organization/projects/p1/service_accounts"),
        (ANTHROPIC, "/v1/organizations/api_keys"),
        (ANTHROPIC, "/api/oauth/claude_cli/create_api_key"),
        (GEMINI, "/v1alpha/auth_tokens"),
        (GEMINI, "/v1beta/authTokens"),
        (GEMINI, "/v1alpha/authTokens:create"),
        (ELEVENLABS, "/v1/single-use-token/realtime_scribe"),
        (ELEVENLABS, "/v1/convai/conversation/get-signed-url"),
        (OPENROUTER, "/api/v1/keys"),
        (OPENROUTER, "/api/v1/keys/abc"),
        (STRIPE, "/v1/payouts"),
        (STRIPE, "/v1/account_sessions"),
        (STRIPE, "/v1/ephemeral_keys"),
        (STRIPE, "/v1/terminal/connection_tokens"),
        (STRIPE, "/v1/apps/secrets"),
        (GITHUB, "/app/installations/7/access_tokens"),
        (GITHUB, "/repos/o/r/actions/runners/registration-token"),
        (GITHUB, "/orgs/o/actions/runners/remove-token"),
        (GITHUB, "/repos/o/r/keys/7"),
        (GITHUB, "/user/gpg_keys"),
        (GITHUB, "/user/%6Beys"),
    ],
)
def test_what_would_harm_the_account_is_denied(spec: ProviderSpec, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert spec.denied(method, path)


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        (OPENAI, "/v1/files/file-abc"),
        (OPENAI, "/v1/models/ft:gpt-4o:acme::x"),
        (OPENAI, "/v1/vector_stores/vs_1/files/file-abc"),
        (ANTHROPIC, "/v1/files/file_1"),
        (GEMINI, "/v1beta/files/abc"),
        (GEMINI, "/v1beta/tunedModels/mine"),
        (GROQ, "/openai/v1/files/f1"),
        (MISTRAL, "/v1/files/f1"),
        (ELEVENLABS, "/v1/voices/v1"),
        (GITHUB, "/repos/o/r/"),
    ],
)
def test_what_the_account_keeps_is_read_but_not_deleted(spec: ProviderSpec, path: str) -> None:
    assert spec.denied("DELETE", path)
    assert spec.denied("delete", path.upper())
    assert not spec.denied("GET", path)
    assert not spec.denied("POST", path)


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        (MODELSLAB, "/api/v6/images/text2img"),
        (OPENROUTER, "/api/v1/key"),
        (STRIPE, "/v1/customers"),
        (STRIPE, "/v1/accounts_of_mine"),
        (GITHUB, "/repos/o/keys/contents/a"),
        (GITHUB, "/repos/o/r/issues/1/labels"),
        (OPENAI, "/v1/keys"),
        (OPENAI, "/v1/files"),
        (OPENAI, "/v1/responses/resp_1"),
    ],
)
def test_what_does_no_harm_is_not(spec: ProviderSpec, path: str) -> None:
    assert not spec.denied("POST", path)
    assert not spec.denied("DELETE", path)


@pytest.mark.parametrize(
    ("pattern", "method", "path", "named"),
    [
        ("/a/b", "POST", "/a/b", True),
        ("/a/b", "POST", "/x.php/A//b;c=1/d", True),
        ("/a/b", "POST", "/a/x/b", False),
        ("/a/b", "POST", "/a/bc", False),
        ("/a.b", "POST", "/aXb", False),
        ("/a/*", "POST", "/a", False),
        ("/a/*", "POST", "/a/", False),
        ("/a/*/c", "POST", "/a/%0a/c", False),
        ("/a*", "POST", "/abc:d", True),
        ("/a*", "POST", "/b/ca", False),
        ("/a/*$", "POST", "/x/a/b/", True),
        ("/a/*$", "POST", "/a/b/c", False),
        ("GET /a", "HEAD", "/a", True),
        ("GET /a", "POST", "/a", False),
        ("GET /a", "POST", "/GET%20/a", False),
        ("/a", "", "/a", True),
    ],
)
def test_a_pattern_names_endpoints(pattern: str, method: str, path: str, named: bool) -> None:
    assert endpoints.named((pattern,), method, path) is named
    assert endpoints.named(("/nothing", pattern), method, path) is named
    assert not endpoints.named((), method, path)
