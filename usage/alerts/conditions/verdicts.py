"""The verdict of a provider key, and providers in trouble."""

from collections.abc import Iterable

from django.urls import reverse

from keys import attention
from keys.states import Verdict
from usage.alerts.conditions.base import (
    DANGER,
    WARNING,
    Condition,
    Finding,
    Param,
    Params,
    name_of,
    page_of,
    plural,
)
from usage.alerts.facts import Facts, Scope

TELLABLE = (Verdict.DEAD, Verdict.EXHAUSTED, Verdict.LIMITED, Verdict.UNDECRYPTABLE)


def _turned(facts: Facts, scope: Scope, params: Params) -> Iterable[Finding]:
    for key in facts.in_verdict(params["verdicts"], scope):
        grave = key.verdict in (Verdict.DEAD, Verdict.UNDECRYPTABLE)
        words = "can’t be decrypted" if key.verdict == Verdict.UNDECRYPTABLE else key.verdict
        provider = facts.provider_name(key.provider)
        yield Finding(
            subject=key.target,
            what=key.verdict,
            level=DANGER if grave else WARNING,
            title=f"{name_of(key)} is {words}".replace("is can’t", "can’t"),
            evidence=attention.explain(key.evidence) or f"{provider} said so",
            cause=attention.cause(key),
            remedy=attention.remedy(key, provider),
            url=page_of(key),
            application=key.application_id,
            provider=key.provider,
            since=key.verdict_at,
        )


def _incidents(facts: Facts, scope: Scope, params: Params) -> Iterable[Finding]:
    del params
    for one in facts.incidents(scope):
        provider = facts.provider_name(one.provider)
        who = "No provider" if one.is_network else provider
        yield Finding(
            subject="network" if one.is_network else f"provider:{one.provider}",
            what="incident",
            level=DANGER,
            title=f"{who} gives clear answers"
            if one.is_network
            else f"{provider} gives no clear answers",
            evidence=f"{plural(one.keys_affected, 'key')} turned unclear together"
            + (f": {said}" if (said := attention.explain(one.evidence)) else ""),
            cause=attention.incident_cause(one, provider),
            remedy="Nothing to do with the keys: their verdicts wait until it is over. See the "
            "provider’s status page.",
            url=reverse("checks"),
            provider="" if one.is_network else one.provider,
            since=one.opened_at,
        )


VERDICT = Condition(
    "verdict",
    "A provider key’s verdict turns",
    (Param("verdicts", ["dead", "exhausted"], choices=tuple(TELLABLE), many=True),),
    _turned,
    every=10,
    told_elsewhere=True,
)
INCIDENT = Condition(
    "incident", "A provider is in trouble", (), _incidents, every=10, told_elsewhere=True
)
