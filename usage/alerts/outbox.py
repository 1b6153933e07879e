"""What is to be told, as rows: written in the transaction that found it, delivered later."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, time, timedelta

import uuid_utils.compat as uuids
from django.db.models import Q, QuerySet

from keys.sign_in.invitations import can_mail
from usage.alerts import words
from usage.alerts.standing import Told
from usage.models import AlertChannel, AlertDelivery, AlertNotice, AlertRule, AlertState
from usage.periods import Step, ceil

KEPT = 100  # alerts that one notice keeps in full
DAILY_AT = time(8, tzinfo=UTC)  # when the daily digest goes out


def put(rule: AlertRule, told: Sequence[tuple[AlertState, Told]], now: datetime) -> None:
    """A notice per application and provider of what is told, and its way to each channel."""
    parts: defaultdict[tuple[str, str], list[tuple[AlertState, Told]]] = defaultdict(list)
    for row, kind in told:
        parts[row.application, "" if row.application else row.provider].append((row, kind))
    for (application, provider), part in parts.items():
        alerts = [words.alert_of(row, kind, rule.name) for row, kind in part[:KEPT]]
        notice = AlertNotice.objects.create(
            id=uuids.uuid7(),
            rule=rule,
            application=application,
            provider=provider,
            at=now,
            alerts=alerts,
            more=len(part) - len(alerts),
        )
        send(notice, _channels(rule, application), now)


def send(notice: AlertNotice, channels: Iterable[AlertChannel], now: datetime) -> None:
    """A delivery for each channel: now, or when its digest is due."""
    AlertDelivery.objects.bulk_create(
        AlertDelivery(
            id=uuids.uuid7(),
            notice=notice,
            channel=channel,
            created_at=now,
            next_at=now if _is_test(notice) else digest_at(channel.digest, now),
        )
        for channel in channels
    )


def digest_at(digest: str, now: datetime) -> datetime:
    """When something found now goes out."""
    if digest == "hourly":
        return ceil(now, Step.HOUR)
    if digest == "daily":
        today = datetime.combine(now.astimezone(UTC).date(), DAILY_AT)
        return today if today >= now else today + timedelta(days=1)
    return now


def _is_test(notice: AlertNotice) -> bool:
    return notice.rule_id is None


def _channels(rule: AlertRule, application: str) -> list[AlertChannel]:
    """The rule's own, and of an application that the installation's rule speaks of, those of its
    channels that listen."""
    wanted = Q(rules=rule)
    if application and rule.application_id is None:
        wanted |= Q(application=application, hears_site=True)
    rows: QuerySet[AlertChannel] = AlertChannel.objects.filter(wanted, enabled=True).distinct()
    mail = can_mail()
    return [row for row in rows.order_by("pk") if mail or row.kind != "email"]
