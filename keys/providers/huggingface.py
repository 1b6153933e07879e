"""Hugging Face: the hub, whose tokens its inference takes as well."""

from dataclasses import dataclass

from keys.providers import answers
from keys.providers.base import BEARER, Example, Probe, ProviderSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class HuggingFace(ProviderSpec):
    def proves_live(self, content_type: str, body: bytes) -> bool:
        data = answers.parse(content_type, body).data
        return isinstance(data, dict) and "name" in data


HUGGINGFACE = HuggingFace(
    slug="huggingface",
    name="Hugging Face",
    base_url="https://huggingface.co",
    keys_url="https://huggingface.co/settings/tokens",
    env_var="HF_TOKEN",
    base_url_var=("HF_ENDPOINT", ""),
    key_shape=r"hf_[A-Za-z0-9]{30,}",
    probe=Probe("GET", "/api/whoami-v2"),
    example=Example("GET", "/api/whoami-v2"),
    accepts=frozenset({BEARER}),
    json_due=False,  # files of models and datasets
    dangerous=(
        "/api/organizations",
        "/api/repos/create",
        "/api/repos/delete",
        "/api/repos/move",
        "/api/settings",
        "/oauth",
        "DELETE /api/models/*",
        "DELETE /api/datasets/*",
        "DELETE /api/spaces/*",
    ),
)
