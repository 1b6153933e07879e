"""GitHub. Its limits come as 403 too; `token` and Basic are older ways of its clients."""

from dataclasses import dataclass

from keys.providers import answers
from keys.providers.base import BEARER, Example, Kind, Probe, ProviderSpec

# From its beginning: other messages quote the request.
_TOO_FAST = (
    "api rate limit exceeded",
    "you have exceeded a secondary rate limit",
    "you have triggered an abuse detection mechanism",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHub(ProviderSpec):
    def kind_of(self, status: int, answer: answers.Answer) -> Kind:
        kind = ProviderSpec.kind_of(self, status, answer)
        text = answers.message(answer.data).lower()
        if kind is Kind.KEY_LIMITED and text.startswith(_TOO_FAST):
            return Kind.RATE_LIMITED
        if kind is Kind.KEY_INVALID and not text.startswith("bad credentials"):
            return Kind.UNKNOWN  # asks for a second factor, or for any credential at all
        return kind

    def proves_live(self, content_type: str, body: bytes) -> bool:
        data = answers.parse(content_type, body).data
        return isinstance(data, dict) and "login" in data


GITHUB = GitHub(
    slug="github",
    name="GitHub",
    base_url="https://api.github.com",
    keys_url="https://github.com/settings/tokens",
    env_var="GITHUB_TOKEN",
    base_url_var=("GITHUB_API_URL", ""),
    key_shape=r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,}",
    probe=Probe("GET", "/user"),
    example=Example("GET", "/user/repos"),
    accepts=frozenset({BEARER}),
    json_due=False,  # diffs, archives, raw files
    dangerous=(
        "/app-manifests/*/conversions",
        "/app/hook",
        "/app/installations",
        "/applications/*/grant",
        "/applications/*/token",
        "/credentials/revoke",
        "/orgs/*/hooks",
        "/orgs/*/members",
        "/repos/*/*/hooks",
        "/repos/*/*/keys",
        "/repos/*/*/transfer",
        "/runners/generate-jitconfig",
        "/runners/registration-token",
        "/runners/remove-token",
        "DELETE /orgs/*$",
        "DELETE /repos/*/*$",
        "/user/gpg_keys",
        "/user/keys",
        "/user/ssh_signing_keys",
    ),
)
