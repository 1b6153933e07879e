"""Answers for machines: /healthz (alive), /readyz (fit for work), /metrics (Prometheus).

No sign-in. They say how things are, never what they hold. The gateway's own listener answers
the first two itself (usage.gateway.app): its readiness is its own.
"""

import hmac
from collections.abc import Iterator
from datetime import UTC, datetime

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from keys import vault
from keys.models import ProviderKey
from keys.states import KeyState
from usage import stats
from usage.gateway import desk

SPOOL_LAG_LIMIT = 30.0  # seconds; a dead writer's spool is drained within 10
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")


@login_not_required
@require_safe
@never_cache
def alive(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "alive"})


@login_not_required
@require_safe
@never_cache
def ready(request: HttpRequest) -> JsonResponse:
    """200 when every part is fit for work, 503 otherwise; either way how each part is."""
    checks = _checks()
    fit = all(state == "ok" for state in checks.values())
    body = {"status": "ready" if fit else "not ready", "checks": checks}
    return JsonResponse(body, status=200 if fit else 503)


@login_not_required
@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """Numbers for Prometheus: with the token if one is set, else for this machine alone."""
    if not _may_read_metrics(request):
        return HttpResponseForbidden("Forbidden", content_type="text/plain")
    registry = CollectorRegistry()
    registry.register(_Numbers())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


def _checks() -> dict[str, str]:
    directory = desk.mine().directory
    directory.start()
    checks = {
        "database": "ok",
        "keys": "ok" if directory.fresh else f"{directory.age:.0f} s old",
    }
    try:
        lag = stats.ledger().lag_seconds
        checks["vault"] = "sealed" if vault.is_sealed() else "ok"
        checks["spool"] = "ok" if lag < SPOOL_LAG_LIMIT else f"{lag:.0f} s behind"
    except DatabaseError:
        checks["database"] = "away"
    return checks


def _may_read_metrics(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {settings.METRICS_TOKEN}".encode())
    # A proxy on this machine also comes from here; what it forwards does not.
    forwarded = any(name in request.META for name in _FORWARDED)
    return request.META.get("REMOTE_ADDR") in _LOOPBACK and not forwarded


class _Numbers(Collector):
    """What is read from the database when somebody asks."""

    def collect(self) -> Iterator[Metric]:
        calls = CounterMetricFamily("keydeck_calls", "Recorded calls.", labels=["outcome"])
        totals = stats.totals(stats.Filter(since=BEGINNING))
        for outcome, count in sorted(totals.by_outcome.items()):
            calls.add_metric([outcome], count)
        yield calls
        ledger = stats.ledger()
        account = CounterMetricFamily(
            "keydeck_ledger", "What became of accepted calls.", labels=["account"]
        )
        for name in ("accepted", "stored", "duplicates", "quarantined", "broken", "lost"):
            account.add_metric([name], getattr(ledger, name))
        yield account
        yield GaugeMetricFamily("keydeck_spool_pending", "Calls not stored yet.", ledger.pending)
        yield GaugeMetricFamily(
            "keydeck_spool_lag_seconds", "Age of the oldest record not drained.", ledger.lag_seconds
        )
        yield GaugeMetricFamily("keydeck_vault_sealed", "1: no key opens.", vault.is_sealed())
        yield _verdicts()


def _verdicts() -> Metric:
    family = GaugeMetricFamily(
        "keydeck_provider_keys", "Active provider keys.", labels=["provider", "verdict"]
    )
    active = ProviderKey.objects.filter(state=KeyState.ACTIVE).order_by("provider", "verdict")
    for provider, verdict, count in active.values_list("provider", "verdict").annotate(Count("pk")):
        family.add_metric([provider, verdict], count)
    return family
