"""The balance that a probe told stays with the key until its provider tells another."""

from collections.abc import Callable

import pytest

from keys import health
from keys.models import ProviderKey
from keys.states import Verdict
from tests.health.conftest import after

See = Callable[..., str | None]
Hear = Callable[..., None]
pytestmark = pytest.mark.django_db
TOLD = {"balance": 43.6, "currency": "USD"}


def kept(key: ProviderKey) -> tuple[object, object, object]:
    return tuple(key.evidence[name] for name in ("balance", "currency", "balance_at"))  # type: ignore[return-value]


def test_calls_keep_it_with_the_time_it_was_told(key: ProviderKey, see: See, hear: Hear) -> None:
    see(Verdict.LIVE, 0, **TOLD)
    hear("ok", 200)
    hear("key_exhausted", 300)
    assert (key.verdict, key.evidence["via"]) == ("exhausted", "traffic")
    assert kept(key) == (43.6, "USD", after(0).isoformat())


def test_a_probe_that_tells_another_replaces_it(key: ProviderKey, see: See) -> None:
    see(Verdict.LIVE, 0, **TOLD)
    see(Verdict.LIVE, 100, balance=0.0, currency="USD")
    assert kept(key) == (0.0, "USD", after(100).isoformat())
    see(Verdict.LIVE, 200)  # the limit that it was left of is gone
    assert kept(key) == (None, "", None)


def test_a_refusal_keeps_it(key: ProviderKey, see: See) -> None:
    see(Verdict.LIVE, 0, **TOLD)
    see(Verdict.EXHAUSTED, 100)
    assert kept(key) == (43.6, "USD", after(0).isoformat())


def test_it_was_another_secrets(key: ProviderKey, see: See) -> None:
    see(Verdict.LIVE, 0, **TOLD)
    key.versions.update(number=2)
    see(Verdict.EXHAUSTED, 100, version=2)
    assert kept(key) == (None, "", None)


def test_evidence_from_before_there_were_balances_goes_on(
    key: ProviderKey, see: See, hear: Hear
) -> None:
    see(Verdict.LIVE, 0)
    old = {name: key.evidence[name] for name in key.evidence if name not in health._MONEY}
    ProviderKey.objects.update(evidence=old)
    hear("ok", 200)
    assert kept(key) == (None, "", None)
