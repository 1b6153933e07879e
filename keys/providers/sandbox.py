"""The built-in sandbox (`manage.py sandbox`): ModelsLab's shapes, without its credits."""

from dataclasses import dataclass, fields
from functools import lru_cache

from keys.providers.answers import Cost
from keys.providers.endpoints import plain_segments
from keys.providers.modelslab import MODELSLAB, ModelsLab


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox(ModelsLab):
    def denied(self, method: str, path: str) -> bool:
        # Its page lists the keys it has seen, and kills them: for the operator's own browser.
        first = plain_segments(path)[0]
        return first in ("", "_sandbox") or ModelsLab.denied(self, method, path)


@lru_cache(maxsize=4)
def sandbox(port: int) -> Sandbox:
    """The sandbox at `port` of this machine: all of ModelsLab's but its name and address,
    and a cost of its chat, which ModelsLab doesn't report."""
    values = {field.name: getattr(MODELSLAB, field.name) for field in fields(MODELSLAB)}
    base_url = f"http://127.0.0.1:{port}"
    return Sandbox(
        **{
            **values,
            "slug": "sandbox",
            "name": "Sandbox",
            "env_var": "SANDBOX_API_KEY",  # in a .env file that is imported, ModelsLab's is another
            "base_url": base_url,
            "keys_url": f"{base_url}/",
            "cost": Cost("cost"),
        }
    )
