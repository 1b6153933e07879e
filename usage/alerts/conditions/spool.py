"""Calls that wait too long to be stored."""

from collections.abc import Iterable

from django.urls import reverse

from usage.alerts.conditions.base import DANGER, Condition, Finding, Param, Params
from usage.alerts.facts import Facts, Scope


def _lagging(facts: Facts, scope: Scope, params: Params) -> Iterable[Finding]:
    del scope
    lag = facts.lag_seconds()
    if lag < params["seconds"]:
        return
    yield Finding(
        subject="spool",
        what="spool_lag",
        level=DANGER,
        title=f"Calls wait {lag:,.0f} s to be stored",
        evidence=f"The oldest record that is not stored yet is {lag:,.0f} s old",
        cause="The database is away or slow, or the process that stores calls is stuck. "
        "No call is lost: they lie in the spool on disk.",
        remedy="See /readyz and the ledger; look after the database and the disk.",
        url=reverse("ledger"),
    )


SPOOL_LAG = Condition(
    "spool_lag",
    "Calls wait to be stored",
    (Param("seconds", 60, 1, 86400),),
    _lagging,
    every=15,
    site_only=True,
)
