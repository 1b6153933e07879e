"""Django's cache in the database, as JSON.

Django's own shared backends unpickle what they read, so whoever writes to Redis, to a table or
to a folder would run code here. What is kept is small: sign-in limits and TOTP codes used up.
"""

import time
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.db import transaction
from django.db.models import Q, QuerySet

from keys.models import CacheEntry


class JsonCache(BaseCache):
    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        row = self._live(key, version).first()
        return default if row is None else row.value

    def set(
        self,
        key: Any,
        value: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> None:
        CacheEntry.objects.update_or_create(
            key=self.make_and_validate_key(key, version),
            defaults={"value": value, "expires_at": self.get_backend_timeout(timeout)},
        )

    def add(
        self,
        key: Any,
        value: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        """Sets what is not there; of several who try at once, one succeeds."""
        with transaction.atomic():
            CacheEntry.objects.filter(expires_at__lte=time.time()).delete()
            _, made = CacheEntry.objects.get_or_create(
                key=self.make_and_validate_key(key, version),
                defaults={"value": value, "expires_at": self.get_backend_timeout(timeout)},
            )
        return made

    def touch(
        self,
        key: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        expires_at = self.get_backend_timeout(timeout)
        return bool(self._live(key, version).update(expires_at=expires_at))

    def delete(self, key: Any, version: int | None = None) -> bool:
        row = CacheEntry.objects.filter(key=self.make_and_validate_key(key, version))
        return bool(row.delete()[0])

    def clear(self) -> None:
        CacheEntry.objects.all().delete()

    def _live(self, key: Any, version: int | None) -> QuerySet[CacheEntry]:
        live = Q(expires_at=None) | Q(expires_at__gt=time.time())
        return CacheEntry.objects.filter(live, key=self.make_and_validate_key(key, version))
