"""Every provider, built in or custom, against every kind of answer to its probe."""

import json
from dataclasses import dataclass

import pytest

from keys.models import Provider
from keys.providers.anthropic import ANTHROPIC
from keys.providers.base import Kind, Placement, ProviderSpec
from keys.providers.custom import spec_of
from keys.providers.elevenlabs import ELEVENLABS
from keys.providers.gemini import GEMINI
from keys.providers.github import GITHUB
from keys.providers.groq import GROQ
from keys.providers.injection import Outgoing, inject
from keys.providers.modelslab import MODELSLAB
from keys.providers.openai import OPENAI
from keys.providers.openrouter import OPENROUTER
from keys.providers.registry import BUILT_IN
from keys.providers.sandbox import sandbox
from keys.providers.stripe import STRIPE
from keys.vault import Secret
from tests.providers.finding import find_credentials
from tests.providers.words import BOGUS, GOOD

CUSTOM = [
    spec_of(
        Provider(
            slug=slug,
            name="Custom",
            base_url="https://api.example.com/base/",
            credential_in=place,
            credential_name=name,
            credential_prefix=prefix,
            probe_method="GET",
            probe_path="/me",
        )
    )
    for slug, place, name, prefix in [
        ("custom-header", "header", "X-Token", ""),
        ("custom-bearer", "bearer", "", ""),
        ("custom-query", "query", "token", ""),
        ("custom-body", "body", "auth", ""),
        ("custom-bare", "header", "Authorization", ""),
        ("custom-scheme", "header", "Authorization", "Token"),
        ("custom-assigned", "header", "Authorization", "Token token="),
        ("custom-word", "header", "X-Auth", "ApiKey"),
    ]
]
SPECS = [*BUILT_IN, sandbox(1), *CUSTOM]
APP_KEY = "kd_live_0123456789AB_" + "a" * 38
HTML = "<!DOCTYPE html><html><body>Log in</body></html>"


@dataclass(frozen=True)
class Reply:
    status: int
    body: str
    content_type: str = "application/json"


REPLIES = {
    "200 html": Reply(200, HTML, "text/html; charset=utf-8"),
    "200 error body": Reply(200, json.dumps({"status": "error", "message": "Something else"})),
    "200 empty": Reply(200, ""),
    "200 broken": Reply(200, '{"status": "succ'),
    "204": Reply(204, ""),
    "301": Reply(301, ""),
    "302 html": Reply(302, HTML, "text/html"),
    "400": Reply(400, json.dumps({"status": "error", "message": "Invalid API Request"})),
    "401 html": Reply(401, HTML, "text/html"),
    "402": Reply(402, json.dumps({"status": "error", "message": "Insufficient credits."})),
    "403": Reply(403, json.dumps({"status": "error", "message": "Feature not available"})),
    "403 html": Reply(403, HTML, "text/html"),
    "404": Reply(404, json.dumps({"message": "Not found"})),
    "418": Reply(418, ""),
    "429": Reply(429, json.dumps({"status": "error", "message": "Rate limit exceeded."})),
    "429 html": Reply(429, HTML, "text/html"),
    "500": Reply(500, json.dumps({"status": "error", "message": "Internal server error."})),
    "502 html": Reply(502, HTML, "text/html"),
    "503": Reply(503, ""),
    "529": Reply(529, json.dumps({"error": {"type": "overloaded_error"}})),
    "nonsense": Reply(200, "\x00\xff[[[[", "application/json"),
}
# The only replies above that say something of the key.
DETERMINATE = {"402": Kind.KEY_EXHAUSTED, "403": Kind.KEY_LIMITED}
OTHERWISE = {
    ("stripe", "402"): Kind.CALLER_ERROR,  # a declined card
    ("slack", "402"): Kind.UNKNOWN,  # its words come with HTTP 200
    ("slack", "403"): Kind.UNKNOWN,
}
# What is free although it isn't read with GET.
FREE = {"/api/wallet_balance", "/v1/check-api-key", "/api/auth.test"}

every_provider = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.slug)


def family(spec: ProviderSpec) -> str:
    return {"sandbox": "modelslab"}.get(spec.slug, spec.slug.partition("-")[0])


def read(spec: ProviderSpec, reply: Reply) -> Kind:
    return spec.read_probe(reply.status, reply.content_type, reply.body.encode()).kind


@every_provider
def test_a_live_key_reads_live(spec: ProviderSpec) -> None:
    assert read(spec, Reply(200, json.dumps(GOOD[family(spec)]))) is Kind.OK


@every_provider
def test_a_bogus_key_reads_invalid(spec: ProviderSpec) -> None:
    status, body = BOGUS[family(spec)]
    assert read(spec, Reply(status, json.dumps(body))) is Kind.KEY_INVALID


@every_provider
@pytest.mark.parametrize("name", REPLIES)
def test_an_answer_that_says_nothing_of_the_key_is_never_a_verdict(
    spec: ProviderSpec, name: str
) -> None:
    kind = read(spec, REPLIES[name])
    if name == "200 error body" and family(spec) == "custom":
        assert kind is Kind.OK  # a custom API's fields mean what it likes
    else:
        assert kind is OTHERWISE.get((spec.slug, name), DETERMINATE.get(name, kind))
        assert kind is not Kind.KEY_INVALID
        empty_success = name in ("200 empty", "204") and not spec.json_due
        assert kind is not Kind.OK or empty_success


@every_provider
def test_the_probe_carries_the_secret_once_and_spends_nothing(spec: ProviderSpec) -> None:
    assert spec.probe is not None
    probe = spec.probe
    body = b"{}" if probe.body is not None else b""
    bare = Outgoing(probe.method, probe.path, "", (("Content-Type", "application/json"),), body)
    sent = str(tuple(inject(spec, bare, "", Secret("S-E-C-R-E-T"))))
    assert sent.count("S-E-C-R-E-T") == 1
    assert probe.method == "GET" or probe.path in FREE


@every_provider
def test_the_example_works_with_the_app_key_where_the_spec_puts_it(spec: ProviderSpec) -> None:
    place = spec.placement(spec.example.path, frozenset())
    secret = Secret(APP_KEY)
    headers = (("Content-Type", "application/json"),)
    body = json.dumps(dict(spec.example.body)).encode() if spec.example.body else b""
    bare = Outgoing(spec.example.method, spec.example.path, "", headers, body)
    asked = inject(spec, bare, "", secret)
    found = find_credentials(asked, spec)
    assert [credential.text for credential in found] == [APP_KEY]
    assert found[0].placement == place or not body  # a GET has no body to put it in


@every_provider
def test_names_and_addresses_are_complete(spec: ProviderSpec) -> None:
    assert spec.base_url.startswith("http") and not spec.base_url.endswith("/")
    assert spec.env_var.isidentifier() and spec.env_var.endswith(("_API_KEY", "_TOKEN"))
    assert spec.example.path.startswith("/")
    assert spec.placement("/anything", frozenset()) in spec.accepts | {Placement("body", "key")}


WORDS = [
    (
        OPENROUTER,
        402,
        {"error": {"code": 402, "message": "Insufficient credits"}},
        Kind.KEY_EXHAUSTED,
    ),
    (
        OPENROUTER,
        403,
        {"error": {"code": 403, "message": "Key limit exceeded"}},
        Kind.KEY_EXHAUSTED,
    ),
    (OPENROUTER, 403, {"error": {"message": "Your input was flagged"}}, Kind.CALLER_ERROR),
    (OPENROUTER, 200, {"error": {"code": 429, "message": "Rate limited"}}, Kind.RATE_LIMITED),
    (OPENROUTER, 200, {"error": {"code": "server_error"}}, Kind.UPSTREAM_ERROR),
    (GEMINI, 400, {"error": {"message": "Invalid JSON payload"}}, Kind.CALLER_ERROR),
    (GEMINI, 401, {"error": {"status": "UNAUTHENTICATED"}}, Kind.UNKNOWN),
    (GEMINI, 403, {"error": {"status": "PERMISSION_DENIED"}}, Kind.KEY_LIMITED),
    (GEMINI, 429, {"error": {"status": "RESOURCE_EXHAUSTED"}}, Kind.RATE_LIMITED),
    (GEMINI, 400, [{"error": {"details": [{"reason": "API_KEY_INVALID"}]}}], Kind.KEY_INVALID),
    (GROQ, 498, {"error": {"message": "Flex tier capacity exceeded"}}, Kind.UPSTREAM_ERROR),
    (GROQ, 400, {"error": {"code": "organization_restricted"}}, Kind.KEY_LIMITED),
    (ELEVENLABS, 401, {"detail": {"status": "missing_permissions"}}, Kind.KEY_LIMITED),
    (ELEVENLABS, 401, {"detail": {"status": "quota_exceeded"}}, Kind.KEY_EXHAUSTED),
    (ELEVENLABS, 429, {"detail": {"status": "system_busy"}}, Kind.UPSTREAM_ERROR),
    (ELEVENLABS, 401, {"detail": {"status": "something_else"}}, Kind.UNKNOWN),
    (STRIPE, 402, {"error": {"type": "card_error"}}, Kind.CALLER_ERROR),
    (STRIPE, 403, {"error": {"code": "more_permissions_required"}}, Kind.KEY_LIMITED),
    (GITHUB, 403, {"message": "API rate limit exceeded for user ID 1."}, Kind.RATE_LIMITED),
    (GITHUB, 403, {"message": "Resource not accessible by this token"}, Kind.KEY_LIMITED),
    (GITHUB, 401, {"message": "Requires authentication"}, Kind.UNKNOWN),
]


@pytest.mark.parametrize(("spec", "status", "body", "kind"), WORDS)
def test_a_providers_own_words_are_read(
    spec: ProviderSpec, status: int, body: object, kind: Kind
) -> None:
    assert spec.read(status, "application/json", json.dumps(body).encode()).kind is kind


def test_google_counts_tokens_in_its_own_words() -> None:
    body = {
        "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 5, "thoughtsTokenCount": 2}
    }
    reading = GEMINI.read(200, "application/json", json.dumps(body).encode())
    assert (reading.tokens_in, reading.tokens_out) == (4, 7)


def test_gemini_takes_a_bearer_only_where_it_speaks_like_openai() -> None:
    assert GEMINI.placement("/v1beta/openai/chat/completions", frozenset()).place == "bearer"
    assert GEMINI.placement("/v1beta/models", frozenset()).name == "x-goog-api-key"


def test_openai_trusts_only_its_own_word_for_a_dead_key() -> None:
    body = b'{"error": {"message": "Your IP is not authorized", "code": "ip_not_authorized"}}'
    assert OPENAI.read_probe(401, "application/json", body).kind is Kind.UNKNOWN
    assert OPENAI.read_probe(401, "application/json", b"").kind is Kind.UNKNOWN


def test_openai_says_429_for_an_empty_account_too() -> None:
    body = b'{"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}'
    assert OPENAI.read_probe(429, "application/json", body).kind is Kind.KEY_EXHAUSTED
    body = b'{"error": {"message": "Too fast", "code": "rate_limit_exceeded"}}'
    assert OPENAI.read_probe(429, "application/json", body).kind is Kind.RATE_LIMITED


def test_anthropic_says_400_for_an_empty_account() -> None:
    text = "Your credit balance is too low to access the Anthropic API."
    body = json.dumps(
        {"type": "error", "error": {"type": "invalid_request_error", "message": text}}
    )
    reading = ANTHROPIC.read(400, "application/json", body.encode())
    assert (reading.kind, reading.message) == (Kind.KEY_EXHAUSTED, text)


def test_a_custom_key_is_not_called_live_by_a_sign_in_page() -> None:
    assert CUSTOM[0].read_probe(200, "text/html", HTML.encode()).kind is Kind.UNKNOWN


def test_modelslab_shows_its_own_authentication_example() -> None:
    example = MODELSLAB.example
    assert (example.method, example.path) == ("POST", "/api/v6/images/text2img")
    assert list(example.body) == ["prompt", "model_id", "width", "height"]
    assert MODELSLAB.placement(example.path, frozenset()) == Placement("body", "key")


@pytest.mark.parametrize(
    ("spec", "header"),
    [
        (CUSTOM[0], ("x-token", "S-E-C-R-E-T")),
        (CUSTOM[1], ("Authorization", "Bearer S-E-C-R-E-T")),
        (CUSTOM[4], ("authorization", "S-E-C-R-E-T")),
        (CUSTOM[5], ("authorization", "Token S-E-C-R-E-T")),
        (CUSTOM[6], ("authorization", "Token token=S-E-C-R-E-T")),
        (CUSTOM[7], ("x-auth", "ApiKey S-E-C-R-E-T")),
    ],
)
def test_a_custom_header_reads_as_its_provider_wants_it(
    spec: ProviderSpec, header: tuple[str, str]
) -> None:
    asked = Outgoing("GET", "/me", "", (("Authorization", f"Bearer {APP_KEY}"),))
    assert inject(spec, asked, APP_KEY, Secret("S-E-C-R-E-T")).headers == (header,)
