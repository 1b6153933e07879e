"""The built-in sandbox (`manage.py sandbox`): ModelsLab's shapes, without its credits."""

from dataclasses import fields
from functools import lru_cache

from keys.providers.modelslab import MODELSLAB, ModelsLab


@lru_cache(maxsize=4)
def sandbox(port: int) -> ModelsLab:
    """The sandbox at `port` of this machine: all of ModelsLab's but its name and address."""
    values = {field.name: getattr(MODELSLAB, field.name) for field in fields(MODELSLAB)}
    base_url = f"http://127.0.0.1:{port}"
    return ModelsLab(
        **{
            **values,
            "slug": "sandbox",
            "name": "Sandbox",
            "base_url": base_url,
            "keys_url": f"{base_url}/",
        }
    )
