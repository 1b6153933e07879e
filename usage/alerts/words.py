"""An alert in words: one dict that every channel, page and REST answer reads alike."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.conf import settings

from usage.alerts.standing import Told
from usage.models import AlertState

MARKS = {Told.FIRED: "", Told.CHANGED: "", Told.ENDED: "Over: "}
LISTED = 20  # alerts that one message spells out


def alert_of(row: AlertState, told: Told, rule: str) -> dict[str, Any]:
    """What is told of one subject: what, since when, evidence, likely cause, what to do, where."""
    return {
        "kind": str(told),
        "rule": rule,
        "subject": row.subject,
        "what": row.what,
        "level": row.level,
        "title": row.told["title"],
        "since": row.firing_since.astimezone(UTC).isoformat(),
        "until": row.ended_at.astimezone(UTC).isoformat() if row.ended_at else None,
        "evidence": row.told["evidence"],
        "cause": row.told["cause"],
        "remedy": row.told["remedy"],
        "url": settings.PUBLIC_URL + row.told["url"],
    }


def test_alert(channel: str, now: datetime, path: str) -> dict[str, Any]:
    return {
        "kind": "test",
        "rule": "Test",
        "subject": "test",
        "what": "test",
        "level": "info",
        "title": f"A test of the channel “{channel}”",
        "since": now.astimezone(UTC).isoformat(),
        "until": None,
        "evidence": "Somebody pressed the test button.",
        "cause": "",
        "remedy": "Nothing to do: alerts come through.",
        "url": settings.PUBLIC_URL + path,
    }


def headline(alerts: Sequence[dict[str, Any]], more: int = 0) -> str:
    """A message in one line."""
    first = MARKS.get(alerts[0]["kind"], "") + alerts[0]["title"]
    others = len(alerts) - 1 + more
    return f"{first} (and {others:,} more)" if others else first


def in_lines(alerts: Sequence[dict[str, Any]], more: int = 0) -> str:
    """A message as plain text."""
    parts = [_lines(alert) for alert in alerts[:LISTED]]
    left = len(alerts[LISTED:]) + more
    if left:
        parts.append(f"And {left:,} more: {settings.PUBLIC_URL}/alerts/")
    return "\n\n".join(parts) + "\n"


def _lines(alert: dict[str, Any]) -> str:
    until = f", until {_time(alert['until'])}" if alert["until"] else ""
    told = (
        MARKS.get(alert["kind"], "") + alert["title"],
        f"Since: {_time(alert['since'])}{until}",
        f"Evidence: {alert['evidence']}" if alert["evidence"] else "",
        "" if alert["until"] else f"Likely cause: {alert['cause']}" if alert["cause"] else "",
        "" if alert["until"] else f"What to do: {alert['remedy']}" if alert["remedy"] else "",
        alert["url"],
        f"Rule: {alert['rule']}",
    )
    return "\n".join(line for line in told if line)


def _time(text: str) -> str:
    return f"{datetime.fromisoformat(text):%d %b %Y, %H:%M} UTC"
