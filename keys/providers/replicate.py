"""Replicate. It says in `detail` what is wrong."""

from dataclasses import dataclass

from keys.providers import answers
from keys.providers.base import BEARER, Example, Probe, ProviderSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Replicate(ProviderSpec):
    def proves_live(self, content_type: str, body: bytes) -> bool:
        data = answers.parse(content_type, body).data
        return isinstance(data, dict) and "username" in data


REPLICATE = Replicate(
    slug="replicate",
    name="Replicate",
    base_url="https://api.replicate.com",
    keys_url="https://replicate.com/account/api-tokens",
    env_var="REPLICATE_API_TOKEN",
    key_shape=r"r8_[A-Za-z0-9]{30,}",
    probe=Probe("GET", "/v1/account"),
    example=Example(
        "POST",
        "/v1/models/black-forest-labs/flux-schnell/predictions",
        {"input": {"prompt": "a lighthouse on a cliff at dawn, watercolour"}},
    ),
    accepts=frozenset({BEARER}),
    dangerous=(
        "/v1/webhooks",  # the secret that signs them
        "DELETE /v1/deployments/*",
        "DELETE /v1/files/*",
        "DELETE /v1/models/*",
    ),
)
