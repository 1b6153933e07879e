"""The figures of one panel, as its templates and its charts take them."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from keys.models import Application
from usage import stats
from usage.charts import busy, epoch_ms, gather, stack, summary
from usage.classify import remedy
from usage.events import Outcome
from usage.stats import Breakdown, Filter
from usage.views.rows import with_names
from usage.views.scope import Scope

LATEST = 10
CAUSES = 6
REMEDIES = 4  # told of each
BUSIEST = 6
# A key error's code by HTTP status, for one that is older than the calls looked at.
USUAL_CODES = {401: "key_invalid", 402: "key_exhausted", 403: "key_limited", 429: "key_exhausted"}
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cause:
    """One class of failures with what to do about it."""

    outcome: str
    status: int
    requests: int
    url: str
    # What to do, and the code it is for where the latest calls had several, the most usual first.
    remedies: list[tuple[str, str]]


FAULT_WORDS = {
    "caller": "Caller",
    "key": "Key",
    "provider": "Provider",
    "between": "In between",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Whose so many errors are, and their part of a bar that is 1 long."""

    name: str
    words: str
    errors: int
    start: float
    share: float


@dataclass(frozen=True, slots=True)
class Busy:
    """An application and its sums."""

    application: Application
    sums: stats.Group


def read_breakdown(scope: Scope, now: datetime) -> Breakdown:
    return stats.breakdown(scope.window(now), scope.range.step, now)


def figures(scope: Scope, now: datetime, found: Breakdown) -> dict[str, Any]:
    """Template context: the tiles, the latest calls, the causes."""
    ever = scope.filter(_EARLIEST, now)
    latest = stats.calls(ever, limit=LATEST).items
    totals = found.totals
    rates = scope.url("rankings", by="endpoint", order="errors")
    used = [at for at in (scope.last_used, latest[0].started_at if latest else None) if at]
    last_used = max(used, default=None)
    return {
        "scope": scope,
        "totals": totals,
        "previous": found.previous if found.previous.requests else None,
        "spend": _spend(scope, now),
        "faults": _faults(totals),
        "rankings_url": rates,
        "denied": totals.by_outcome.get(Outcome.DENIED, 0),
        "aborted": totals.by_outcome.get(Outcome.ABORTED, 0),
        "quantiles": totals.latency_ms,
        "not_kept": stats.not_kept(scope.window(now)),
        "last_used": last_used,
        "empty": last_used is None and not totals.requests,
        "rows": with_names(latest),
        "causes": _causes(scope, ever, found),
        "passed_on": _passed_on(scope),
        "summary": summary(scope.range.words, totals.by_outcome),
    }


def _spend(scope: Scope, now: datetime) -> stats.Spend | None:
    """By the prices set here; None where there are none, or the filter can't tell."""
    try:
        return stats.spend(scope.window(now), now, priced_only=True)
    except stats.Unanswerable:
        return None


def _faults(totals: stats.Totals) -> list[Fault]:
    """Whose the errors are, side by side."""
    found, start = [], 0.0
    for name, errors in totals.by_fault.items():
        if errors:
            share = errors / totals.errors
            found.append(Fault(name, FAULT_WORDS[name], errors, start, share))
            start += share
    return found


def _causes(scope: Scope, chosen: Filter, found: Breakdown) -> list[Cause]:
    failures = found.failures()[:CAUSES]
    codes = stats.latest_codes(chosen) if failures else {}
    causes = []
    for outcome, status, requests in failures:
        usual = USUAL_CODES.get(status, "") if outcome is Outcome.KEY_ERROR else ""
        known = codes.get((outcome, status), Counter({usual: 1}))
        told = {remedy(outcome, code or usual): code for code, _ in reversed(known.most_common())}
        remedies = [(code, text) for text, code in reversed(told.items())][:REMEDIES]
        if len(remedies) == 1:
            remedies = [("", remedies[0][1])]
        url = scope.url("calls", outcome=outcome.value, status=status)
        causes.append(Cause(outcome.value, status, requests, url, remedies))
    return causes


def _passed_on(scope: Scope) -> list[stats.PassedOn]:
    key = scope.provider_key
    return stats.passed_on(key.application_id, key.provider, key.pk) if key else []


def busiest(scope: Scope, now: datetime) -> list[Busy]:
    """The applications with most requests of the range."""
    found = stats.groups(scope.window(now), "application", limit=BUSIEST, now=now)
    rows = Application.objects.in_bulk([group.value for group in found])
    return [Busy(rows[group.value], group) for group in found if group.value in rows]


def chart_data(scope: Scope, found: Breakdown, starts: list[datetime]) -> dict[str, Any]:
    """What static/js/charts.js draws."""
    histograms = gather(starts, found.latencies)
    since = found.totals.since
    ends = [*starts[1:], since + timedelta(seconds=found.totals.seconds)]
    return {
        "at": [epoch_ms(start) for start in starts],
        "bar_ms": int(scope.range.bar / timedelta(milliseconds=1)),
        "outcomes": stack(starts, ((at, outcome, n) for at, outcome, _, n in found.counts)),
        "latency": {
            name: [round(stats.quantile(row, q), 3) if row else None for row in histograms]
            for name, q in QUANTILES.items()
        },
        "busy": busy(starts, ends, found.busy, since),
    }


def table(scope: Scope, found: Breakdown, starts: list[datetime]) -> dict[str, Any]:
    """Template context: the charts as a table, newest first, without its empty columns and rows."""
    data = chart_data(scope, found, starts)
    columns = [row for row in data["outcomes"] if any(row["data"])]
    lines = [
        {
            "at": start,
            "counts": [row["data"][index] for row in columns],
            "latency": [data["latency"][name][index] for name in QUANTILES],
            "busy": data["busy"][index],
        }
        for index, start in enumerate(starts)
        if any(row["data"][index] for row in columns)
    ]
    not_kept = stats.not_kept(scope.filter(starts[0], starts[-1])) if starts else {}
    return {"scope": scope, "columns": columns, "lines": lines[::-1], "not_kept": not_kept}
