"""SendGrid. A key without the right to list its scopes is live all the same: 403."""

from dataclasses import dataclass

from keys.providers import answers
from keys.providers.base import BEARER, Example, Probe, ProviderSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class SendGrid(ProviderSpec):
    def proves_live(self, content_type: str, body: bytes) -> bool:
        data = answers.parse(content_type, body).data
        return isinstance(data, dict) and "scopes" in data


SENDGRID = SendGrid(
    slug="sendgrid",
    name="SendGrid",
    base_url="https://api.sendgrid.com",
    keys_url="https://app.sendgrid.com/settings/api_keys",
    env_var="SENDGRID_API_KEY",
    key_shape=r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    probe=Probe("GET", "/v3/scopes"),
    example=Example("GET", "/v3/user/profile"),
    accepts=frozenset({BEARER}),
    dangerous=(
        "/v3/api_keys",
        "/v3/sso",
        "/v3/subusers",
        "/v3/teammates",
        "/v3/user/password",
        "/v3/user/webhooks",
    ),
)
