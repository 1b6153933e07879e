"""What a rule can look for: one entry each, a pure function over facts."""

from usage.alerts.conditions.ageing import EXPIRING, OLD_VERSION, UNUSED
from usage.alerts.conditions.base import Condition, Finding, Param, Params
from usage.alerts.conditions.money import BALANCE, QUOTA, SPEND
from usage.alerts.conditions.spool import SPOOL_LAG
from usage.alerts.conditions.traffic import ERROR_RATE, LATENCY
from usage.alerts.conditions.verdicts import INCIDENT, VERDICT

CONDITIONS: dict[str, Condition] = {
    one.slug: one
    for one in (
        VERDICT,
        INCIDENT,
        ERROR_RATE,
        LATENCY,
        BALANCE,
        QUOTA,
        SPEND,
        EXPIRING,
        UNUSED,
        OLD_VERSION,
        SPOOL_LAG,
    )
}

__all__ = ["CONDITIONS", "Condition", "Finding", "Param", "Params"]
