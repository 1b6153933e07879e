"""A provider key on a stand-in for ModelsLab, and evidence to feed it with."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from keys import health
from keys.evidence import Evidence
from keys.models import Application, Check, ProviderKey
from keys.states import Verdict
from tests.factories import ProviderKeyFactory

START = datetime(2026, 11, 1, 12, tzinfo=UTC)
SECRET = "ml-secret-of-the-provider-key"
LIVE = {"status": "success", "data": {"balance": 43.6, "currency": "USD"}}
REFUSED = {"status": "error", "message": "Invalid API key"}

LEASES = (0.5, 1.0)  # seconds of a lane's and of a key's, for workers that are killed often


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


class Clock:
    """The time that everything here is told: it stands still, however slow the machine, and
    jumps."""

    def __init__(self) -> None:
        self._began = timezone.now()
        self.ahead = timedelta()

    def now(self) -> datetime:
        return self._began + self.ahead

    def jump(self, **delta: float) -> None:
        self.ahead += timedelta(**delta)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(timezone, "now", made.now)
    return made


@pytest.fixture(autouse=True)
def _interval(settings: Settings) -> None:
    settings.CHECK_INTERVAL = 300.0


@pytest.fixture
def key(application: Application) -> ProviderKey:
    made: ProviderKey = ProviderKeyFactory(application=application, secret=SECRET)
    return made


@pytest.fixture
def see(key: ProviderKey) -> Callable[..., str | None]:
    """`see(meaning, seconds)`: a probe answers so, that long after the start."""

    def record(meaning: Verdict, seconds: float, **fields: Any) -> str | None:
        evidence = Evidence(meaning=meaning, at=after(seconds), **{"version": 1, **fields})
        moved = health.record(key.pk, evidence)
        key.refresh_from_db()
        return moved

    return record


@pytest.fixture
def hear(key: ProviderKey) -> Callable[..., None]:
    """`hear(kind, seconds)`: a stored call ended so, that long after the start."""

    def tell(kind: str, seconds: float, *, version: int = 1, message: str = "") -> None:
        health.traffic(key.pk, version, kind, 401, kind, message, after(seconds))
        key.refresh_from_db()

    return tell


def timeline(key: ProviderKey) -> list[tuple[str, str, str]]:
    """(via, meaning, moved to) of the key's checks, oldest first."""
    rows = Check.objects.filter(key=key).order_by("at", "id")
    return list(rows.values_list("via", "meaning", "moved_to"))
