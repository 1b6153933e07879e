"""Notion. Every call names the version of its API."""

from dataclasses import dataclass

from keys.providers import answers
from keys.providers.base import BEARER, Example, Probe, ProviderSpec

_VERSION = ("notion-version", "2022-06-28")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notion(ProviderSpec):
    def proves_live(self, content_type: str, body: bytes) -> bool:
        data = answers.parse(content_type, body).data
        return isinstance(data, dict) and data.get("object") in ("user", "list")


NOTION = Notion(
    slug="notion",
    name="Notion",
    base_url="https://api.notion.com",
    keys_url="https://www.notion.so/profile/integrations",
    env_var="NOTION_TOKEN",
    key_shape=r"(?:secret_|ntn_)[A-Za-z0-9]{40,}",
    probe=Probe("GET", "/v1/users/me", headers=(_VERSION,)),
    example=Example("GET", "/v1/users/me"),
    extra_headers=(_VERSION,),
    accepts=frozenset({BEARER}),
    dangerous=("/v1/oauth", "DELETE /v1/blocks/*"),
)
