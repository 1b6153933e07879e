"""What is left at a provider, what of a limit is used, and how fast money goes."""

from collections.abc import Iterable
from datetime import datetime, timedelta

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
from usage.alerts.facts import Facts, Scope
from usage.periods import Step, floor

BEFORE = timedelta(days=7)  # whose average a spend's pace is held against
LEAST_SPEND = 0.01  # US dollars in the window: below it no pace says anything


def _balance(facts: Facts, scope: Scope, params: Params) -> Iterable[Finding]:
    for key in facts.with_balance(scope):
        amount = float(key.evidence["balance"])
        if amount >= params["amount"]:
            continue
        left = f"{amount:,.2f} {key.evidence.get('currency') or ''}".strip()
        provider = facts.provider_name(key.provider)
        yield Finding(
            subject=key.target,
            what="balance",
            level=DANGER if amount <= 0 else WARNING,
            title=f"{name_of(key)} has {left} left",
            evidence=f"{provider} told {left}; the rule says {params['amount']:,.2f}",
            cause="Calls have used it up faster than it was topped up.",
            remedy=f"Add credits at {provider}; see on the key’s page who uses it.",
            url=page_of(key),
            application=key.application_id,
            provider=key.provider,
        )


def _quota(facts: Facts, scope: Scope, params: Params) -> Iterable[Finding]:
    periods = (
        ("per_day", "day", floor(facts.now, Step.DAY)),
        ("per_month", "month", _month(facts.now)),
    )
    for field, word, since in periods:
        keys = facts.limited(field, scope)
        if not keys:
            continue
        used = {one.value: one.judged for one in facts.traffic(since, "app_key", scope)}
        for key in keys:
            limit, calls = getattr(key, field), used.get(key.pk, 0)
            if calls * 100 < params["percent"] * limit:
                continue
            share = f"{100 * calls / limit:.0f} % of its limit per {word}"
            yield Finding(
                subject=f"{key.target}/{word}",
                what="quota_used_up" if calls >= limit else "quota",
                level=DANGER if calls >= limit else WARNING,
                title=f"{name_of(key)} has used {share}",
                evidence=f"{calls:,} of {limit:,} calls since {since:%d %b, %H:%M} UTC",
                cause="More calls than the limit was made for, or a caller that runs in a loop.",
                remedy="Look on the key’s page who calls; raise the limit if they should.",
                url=page_of(key),
                application=key.application_id,
            )


def _spend(facts: Facts, scope: Scope, params: Params) -> Iterable[Finding]:
    hours = params["hours"]
    since = facts.now - timedelta(hours=hours)
    lately = facts.spent(since, facts.now, "application", scope)
    before = facts.spent(since - BEFORE, since, "application", scope) if lately else {}
    for id, dollars in lately.items():
        application = facts.application(id)
        if application is None or dollars < LEAST_SPEND:
            continue
        pace = dollars * 24 / hours
        usual = before.get(id, 0.0) / BEFORE.days
        above = pace >= params["dollars_per_day"] > 0
        faster = params["times"] > 0 and usual > 0 and pace >= params["times"] * usual
        if not above and not faster:
            continue
        compared = f"; the week before: ${usual:,.2f} a day" if usual else ""
        yield Finding(
            subject=f"application:{id}",
            what="spend",
            level=WARNING,
            title=f"{application.name} spends ${pace:,.2f} a day at this pace",
            evidence=f"${dollars:,.2f} in the last {plural(hours, 'hour')}{compared}",
            cause="More calls, dearer models, or a caller that runs in a loop.",
            remedy="Compare by app key and endpoint on the usage panel, and limit what surprises.",
            url=page_of_application(application),
            application=id,
        )


def _month(now: datetime) -> datetime:
    return floor(now, Step.DAY).replace(day=1)


BALANCE = Condition(
    "balance",
    "A provider key’s balance is low",
    (Param("amount", 5.0, 0, 1_000_000_000, whole=False),),
    _balance,
)
QUOTA = Condition(
    "quota",
    "An app key’s limit is nearly used up",
    (Param("percent", 80, 1, 100),),
    _quota,
)
SPEND = Condition(
    "spend",
    "Money goes fast",
    (
        Param("dollars_per_day", 0.0, 0, 1_000_000_000, whole=False),
        Param("times", 3.0, 0, 10_000, whole=False),
        Param("hours", 6, 1, 168),
    ),
    _spend,
    every=300,
)
