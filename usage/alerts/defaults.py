"""The rules that are there from the first start, told by e-mail to whom they concern."""

from typing import Any

from django.db import connection

from usage.models import AlertChannel, AlertRule

CHANNEL = "owners"
# preset -> (name, condition, parameters, cooldown in seconds). The parameters stand here as they
# are stored: every process starts with this module, and needs nothing of what conditions look at.
RULES: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "verdict": (
        "A provider key died or ran out",
        "verdict",
        {"verdicts": ["dead", "exhausted", "undecryptable"]},
        3600,
    ),
    "incident": ("A provider is in trouble", "incident", {}, 3600),
    "expiring": ("An app key expires within a week", "expiring", {"days": 7}, 86400),
    "old_version": (
        "An old secret is used a day after its rotation",
        "old_version",
        {"hours": 24},
        86400,
    ),
    "error_rate": (
        "Half of an application’s calls fail",
        "error_rate",
        {"percent": 50, "minutes": 15, "calls": 20, "each": "application"},
        3600,
    ),
    "spool_lag": ("Calls wait to be stored", "spool_lag", {"seconds": 60}, 3600),
}


def ensure(**_: object) -> None:
    """After migrating: makes what isn't there yet. What somebody changed or turned off stays."""
    tables = connection.introspection.table_names()
    if AlertRule.channels.through._meta.db_table not in tables:
        return
    channel, _made = AlertChannel.objects.get_or_create(
        preset=CHANNEL, defaults={"name": "Owners by e-mail", "kind": "email"}
    )
    there = set(AlertRule.objects.exclude(preset="").values_list("preset", flat=True))
    for preset, (name, condition, params, cooldown) in RULES.items():
        if preset in there:
            continue
        rule = AlertRule.objects.create(
            preset=preset,
            name=name,
            condition=condition,
            params=params,
            cooldown_seconds=cooldown,
        )
        rule.channels.add(channel)
