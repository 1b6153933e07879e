"""AssemblyAI. The bare key is the Authorization header."""

from dataclasses import dataclass

from keys.providers import answers
from keys.providers.base import Example, Placement, Probe, ProviderSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class AssemblyAI(ProviderSpec):
    def proves_live(self, content_type: str, body: bytes) -> bool:
        data = answers.parse(content_type, body).data
        return isinstance(data, dict) and "transcripts" in data


ASSEMBLYAI = AssemblyAI(
    slug="assemblyai",
    name="AssemblyAI",
    base_url="https://api.assemblyai.com",
    keys_url="https://www.assemblyai.com/dashboard/api-keys",
    env_var="ASSEMBLYAI_API_KEY",
    probe=Probe("GET", "/v2/transcript?limit=1"),
    example=Example("POST", "/v2/transcript", {"audio_url": "https://assembly.ai/wildfires.mp3"}),
    accepts=frozenset({Placement("header", "authorization")}),
    dangerous=("/v2/realtime/token", "/v3/token", "DELETE /v2/transcript/*"),
)
