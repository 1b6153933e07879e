"""What a provider's balance did, beside what was counted: a part of a provider key's page."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from keys import lifecycle
from keys.models import ProviderKey
from keys.states import WORKING
from usage import stats
from usage.stats import Reconciliation
from usage.views.scope import read_scope

DAYS = (1, 7, 30, 90)
USUAL = 7
WIDTH, HEIGHT = 600, 100  # of a drawing, in its own units


@require_GET
@never_cache
def balance_panel(request: HttpRequest) -> HttpResponse:
    """Nothing at all where the provider tells no balance."""
    scope = read_scope(request)
    key = scope.provider_key
    if key is None:
        raise Http404("No such key")
    now = timezone.now()
    text = request.GET.get("days", "")
    days = int(text) if text in {str(known) for known in DAYS} else USUAL
    keys = sharing(key)
    found = stats.reconcile(key.pk, keys, now - timedelta(days=days), now, now)
    if not found.points and key.evidence.get("balance") is None:
        return HttpResponse("")
    context = {
        "key": key,
        "found": found,
        "days": days,
        "choices": [(known, scope.url("balance_panel", days=known)) for known in DAYS],
        "others": len(keys) - 1,
        "prices_url": reverse("provider_prices", args=[key.provider]),
        "width": WIDTH,
        "height": HEIGHT,
        **_lines(found),
    }
    return render(request, "usage/_balance.html", context)


def sharing(key: ProviderKey) -> list[str]:
    """The key, and the others that hold its secret: all spend from the one balance."""
    others = lifecycle.same_secret(key, WORKING, WORKING)
    return [key.pk, *(other.pk for other in others)]


def _lines(found: Reconciliation) -> dict[str, str]:
    """The drawings' lines: the balance, what it fell by, and what was counted."""
    moments = [point.at for point in found.points]
    fell = list(accumulate(point.fell for point in found.points))
    counted = list(accumulate(point.counted for point in found.points))
    highest = max([*fell, *counted, 1])
    balances = [point.nanos for point in found.points]
    top = max([*balances, 1])
    return {
        "balance_line": _line(moments, balances, min([*balances, 0]), top),
        "fell_line": _line(moments, fell, 0, highest),
        "counted_line": _line(moments, counted, 0, highest),
    }


def _line(moments: Sequence[datetime], values: Sequence[int], low: int, high: int) -> str:
    """The points of an SVG polyline: time to the right, more is higher."""
    if len(moments) < 2:
        return ""
    time = (moments[-1] - moments[0]).total_seconds()
    return " ".join(
        f"{(at - moments[0]).total_seconds() / time * WIDTH:.1f},"
        f"{HEIGHT - (value - low) / (high - low) * HEIGHT:.1f}"
        for at, value in zip(moments, values, strict=True)
    )
