"""The settings that every call asks for, read once: asking Django's for one costs a microsecond."""

from functools import lru_cache
from typing import NamedTuple

from django.conf import settings
from django.core.signals import setting_changed


class Terms(NamedTuple):
    """Sizes in bytes, times in seconds."""

    url: str  # of the gateway
    body_limit: int
    body_limits: dict[str, int]  # of single providers
    upload_limit: int
    timeout: float
    body_timeout: float
    cors: frozenset[str]
    trusted_proxies: tuple[str, ...]


@lru_cache(maxsize=1)
def terms() -> Terms:
    """The present ones."""
    return Terms(
        settings.GATEWAY_URL,
        settings.GATEWAY_BODY_LIMIT,
        settings.GATEWAY_BODY_LIMITS,
        settings.GATEWAY_UPLOAD_LIMIT,
        settings.GATEWAY_TIMEOUT,
        settings.GATEWAY_BODY_TIMEOUT,
        frozenset(settings.GATEWAY_CORS),
        tuple(settings.TRUSTED_PROXIES),
    )


def _forget(**_: object) -> None:
    terms.cache_clear()


setting_changed.connect(_forget)
