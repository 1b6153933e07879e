"""Slack. Every answer is HTTP 200; `ok` and the word in `error` say how it ended."""

from dataclasses import dataclass

from keys.providers import answers
from keys.providers.base import BEARER, Example, Kind, Probe, ProviderSpec

_SAID = {
    "invalid_auth": Kind.KEY_INVALID,
    "account_inactive": Kind.KEY_INVALID,
    "token_revoked": Kind.KEY_INVALID,
    "token_expired": Kind.KEY_INVALID,
    "missing_scope": Kind.KEY_LIMITED,
    "no_permission": Kind.KEY_LIMITED,
    "not_allowed_token_type": Kind.KEY_LIMITED,
    "org_login_required": Kind.UPSTREAM_ERROR,  # the workspace is being moved
    "ratelimited": Kind.RATE_LIMITED,
    "fatal_error": Kind.UPSTREAM_ERROR,
    "internal_error": Kind.UPSTREAM_ERROR,
    "request_timeout": Kind.UPSTREAM_ERROR,
    "service_unavailable": Kind.UPSTREAM_ERROR,
    "team_added_to_org": Kind.UPSTREAM_ERROR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack(ProviderSpec):
    def kind_of(self, status: int, answer: answers.Answer) -> Kind:
        kind = ProviderSpec.kind_of(self, status, answer)
        data = answer.data
        if kind is Kind.OK and isinstance(data, dict) and data.get("ok") is False:
            return _SAID.get(str(data.get("error")), Kind.CALLER_ERROR)
        if kind in (Kind.KEY_INVALID, Kind.KEY_LIMITED, Kind.KEY_EXHAUSTED):
            return Kind.UNKNOWN  # its words come with HTTP 200: this is somebody else's
        return kind

    def proves_live(self, content_type: str, body: bytes) -> bool:
        data = answers.parse(content_type, body).data
        return isinstance(data, dict) and data.get("ok") is True and "user_id" in data


SLACK = Slack(
    slug="slack",
    name="Slack",
    base_url="https://slack.com",
    keys_url="https://api.slack.com/apps",
    env_var="SLACK_BOT_TOKEN",
    key_shape=r"xox[abeprs]-[A-Za-z0-9-]{20,}",
    probe=Probe("POST", "/api/auth.test"),
    example=Example(
        "POST", "/api/chat.postMessage", {"channel": "#general", "text": "Hello in five words."}
    ),
    accepts=frozenset({BEARER}),
    json_due=False,  # files
    dangerous=(
        "/api/admin.*",
        "/api/apps.*",
        "/api/auth.revoke",
        "/api/oauth.*",
        "/api/scim",
        "/api/tooling.tokens.*",
    ),
)
