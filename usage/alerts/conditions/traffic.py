"""Error rate and latency of the calls of a window."""

from collections.abc import Iterable
from datetime import timedelta

from django.urls import reverse

from usage.alerts.conditions.base import (
    DANGER,
    WARNING,
    Condition,
    Finding,
    Param,
    Params,
    name_of,
    page_of,
    page_of_application,
    plural,
)
from usage.alerts.facts import Facts, Scope, Traffic
from usage.classify import remedy, whose
from usage.events import ERRORS, Outcome

EACH = ("application", "provider", "provider_key", "app_key")
ASKED = 100  # subjects whose latency is looked at, the busiest
WINDOW = Param("minutes", 15, 1, 1440)
CALLS = Param("calls", 20, 1, 1_000_000)
OF = Param("each", "application", choices=EACH)


def _failing(facts: Facts, scope: Scope, params: Params) -> Iterable[Finding]:
    since = facts.now - timedelta(minutes=params["minutes"])
    for one in facts.traffic(since, params["each"], scope):
        if one.judged < params["calls"] or one.errors * 100 < params["percent"] * one.judged:
            continue
        counts = {name: one.by_outcome.get(name, 0) for name in ERRORS}
        worst = Outcome(max(counts, key=lambda name: (counts[name], name)))
        share = 100 * one.errors / one.judged
        told = ", ".join(
            f"{count:,} {name.replace('_', ' ')}"
            for name, count in sorted(counts.items(), key=lambda item: -item[1])
            if count
        )
        yield _finding(
            facts,
            params["each"],
            one,
            what="error_rate",
            level=DANGER if share >= 50 else WARNING,
            says=f"{share:.0f} % of calls fail",
            evidence=f"{one.errors:,} of {plural(one.judged, 'call')} in "
            f"{plural(params['minutes'], 'minute')}: {told}",
            cause=f"Mostly the {whose(worst)}’s: {worst.replace('_', ' ')}.",
            remedy=remedy(worst),
        )


def _slow(facts: Facts, scope: Scope, params: Params) -> Iterable[Finding]:
    since, each = facts.now - timedelta(minutes=params["minutes"]), params["each"]
    busy = [one for one in facts.traffic(since, each, scope) if one.requests >= params["calls"]]
    for one in busy[:ASKED]:
        p95 = facts.latency(since, one, each, scope)
        if p95 is None or p95 < params["milliseconds"]:
            continue
        yield _finding(
            facts,
            each,
            one,
            what="latency",
            level=WARNING,
            says=f"p95 is {p95 / 1000:.3g} s",
            evidence=f"One call in 20 took longer than {p95 / 1000:.3g} s, of "
            f"{plural(one.requests, 'call')} in {plural(params['minutes'], 'minute')}; "
            f"the rule says {params['milliseconds'] / 1000:.3g} s",
            cause="The provider is slow, or is asked for more at once than before.",
            remedy="Compare by endpoint and provider on the usage panel.",
        )


def _finding(
    facts: Facts,
    each: str,
    one: Traffic,
    *,
    what: str,
    level: str,
    says: str,
    evidence: str,
    cause: str,
    remedy: str,
) -> Finding:
    name, url, application = _about(facts, each, one)
    return Finding(
        subject=f"{each}:{one.value}",
        what=what,
        level=level,
        title=f"{name}: {says}",
        evidence=evidence,
        cause=cause,
        remedy=remedy,
        url=url,
        application=application,
    )


def _about(facts: Facts, each: str, one: Traffic) -> tuple[str, str, str]:
    """The subject's name, its page, and the application it belongs to."""
    if one.key is not None:
        return name_of(one.key), page_of(one.key), one.key.application_id
    if each == "application" and (found := facts.application(one.value)):
        return found.name, page_of_application(found), found.pk
    if each == "provider":
        return facts.provider_name(one.value), f"{reverse('calls')}?provider={one.value}", ""
    return one.value, reverse("calls"), ""


ERROR_RATE = Condition(
    "error_rate",
    "Too many calls fail",
    (Param("percent", 20, 1, 100), WINDOW, CALLS, OF),
    _failing,
)
LATENCY = Condition(
    "latency",
    "Calls are slow (p95)",
    (Param("milliseconds", 30_000, 1, 3_600_000), WINDOW, CALLS, OF),
    _slow,
)
