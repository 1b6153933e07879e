"""Keys that are about to end, that nobody uses, and old secrets that somebody still uses."""

from collections.abc import Iterable
from datetime import timedelta

from keys.models import AppKey
from usage.alerts.conditions.base import (
    INFO,
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

LATELY = timedelta(hours=1)  # an old secret used since then is in use


def _expiring(facts: Facts, scope: Scope, params: Params) -> Iterable[Finding]:
    for key in facts.expiring(facts.now + timedelta(days=params["days"]), scope):
        if key.expires_at is None:
            continue
        left = key.expires_at - facts.now
        words = plural(left.days, "day") if left.days else "less than a day"
        yield Finding(
            subject=key.target,
            what="expiring",
            level=WARNING,
            title=f"{name_of(key)} expires in {words}",
            evidence=f"It ends on {key.expires_at:%d %b %Y, %H:%M} UTC",
            cause="It was made with this end.",
            remedy="Create its successor and move the code over, or give it more time.",
            url=page_of(key),
            application=key.application_id,
        )


def _unused(facts: Facts, scope: Scope, params: Params) -> Iterable[Finding]:
    for key in facts.unused_since(facts.now - timedelta(days=params["days"]), scope):
        last = key.last_used_at
        yield Finding(
            subject=key.target,
            what="unused",
            level=INFO,
            title=f"{name_of(key)} is not used",
            evidence=f"Last call on {last:%d %b %Y}" if last else "No call was ever made with it",
            cause="Its code is gone, or moved to another key.",
            remedy="Disable it; if nobody misses it, revoke it.",
            url=page_of(key),
            application=key.application_id,
            since=last or key.created_at,
        )


def _old_version(facts: Facts, scope: Scope, params: Params) -> Iterable[Finding]:
    rotated = facts.now - timedelta(hours=params["hours"])
    for version in facts.old_versions(facts.now - LATELY, rotated, scope):
        key = version.key
        ours = isinstance(key, AppKey)
        yield Finding(
            subject=f"{key.target}/{version.number}",
            what="old_version",
            level=WARNING,
            title=f"{name_of(key)}: version {version.number} is still used",
            evidence=f"Last call with it on {version.last_used_at:%d %b, %H:%M} UTC, "
            f"{plural(params['hours'], 'hour')} after the rotation or later",
            cause="Some code still has the old text."
            if ours
            else "A process of Keydeck still works with the old secret.",
            remedy="The key’s page names who calls with it: move them over before it ends.",
            url=page_of(key),
            application=key.application_id,
        )


EXPIRING = Condition(
    "expiring",
    "An app key is about to expire",
    (Param("days", 7, 1, 365),),
    _expiring,
    every=300,
    told_elsewhere=True,
)
UNUSED = Condition(
    "unused", "A key is not used", (Param("days", 30, 1, 3650),), _unused, every=3600
)
OLD_VERSION = Condition(
    "old_version",
    "An old secret is still used",
    (Param("hours", 24, 0, 8760),),
    _old_version,
)
