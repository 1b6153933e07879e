"""Carries what the outbox holds to its channels: at least once, again with back-off for a day.

Deliveries are rows with leases. A digest goes out as one message of all that is due to its
channel. The message's id is made of the deliveries in it, so a retry has the same one.
"""

import logging
import random
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.db.models import F, QuerySet
from django.utils import timezone

from keys import leases
from keys.vault import VaultError
from usage.alerts import addresses, recipients
from usage.alerts.sending import Attempt, Message, send_mail, send_slack, send_webhook
from usage.models import AlertChannel, AlertDelivery

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
THREADS = 8
FIRST_WAIT = timedelta(seconds=10)
LONGEST_WAIT = timedelta(hours=2)
GIVE_UP_AFTER = timedelta(days=1)
SEALED_WAIT = timedelta(seconds=60)
LOGGED = 30  # attempts that a delivery's log keeps
_NAMESPACE = uuid.UUID("6f1d3c1e-6c2b-5b0e-9a7e-6f1a4bd0c0de")

Sender = Callable[[], Attempt]


@dataclass(frozen=True, slots=True, eq=False)
class _Parcel:
    """Deliveries that go out as one message."""

    channel: AlertChannel
    deliveries: Sequence[AlertDelivery]
    sender: Sender


def deliver_due(now: datetime | None = None, limit: int = 100) -> int:
    """Sends what is due and not being sent; returns how many messages were tried.

    Receivers are asked side by side; the database is left to the calling thread alone.
    """
    now = now or timezone.now()
    due = _due(now).order_by("next_at", "pk").select_related("notice", "channel")
    parcels = list(_parcels(leases.take(due, now + LEASE, limit), now))
    if not parcels:
        return 0
    with ThreadPoolExecutor(THREADS, thread_name_prefix="alert") as pool:
        waiting = {pool.submit(parcel.sender): parcel for parcel in parcels}
        for done in as_completed(waiting):
            error = done.exception()
            if error is None:
                _settle(waiting[done], done.result(), timezone.now())
            else:  # one odd receiver must not keep the others from being told
                kind = type(error).__name__
                logger.error("alert to %s failed: %s", waiting[done].channel.pk, kind)
                _settle(waiting[done], Attempt(ok=False, answer=kind), timezone.now())
    return len(parcels)


def deliver_now(delivery: AlertDelivery) -> AlertDelivery:
    """One delivery at once, for whoever waits for it; returns how it stands then."""
    now = timezone.now()
    free = _due(now).filter(pk=delivery.pk)
    if free.update(lease_until=now + LEASE):
        delivery.lease_until = now + LEASE
        for parcel in _parcels([delivery], now):
            _settle(parcel, parcel.sender(), timezone.now())
    delivery.refresh_from_db()
    return delivery


def _due(now: datetime) -> QuerySet[AlertDelivery]:
    return AlertDelivery.objects.filter(
        leases.free(now), state="pending", next_at__lte=now, channel__enabled=True
    )


def _parcels(rows: Iterable[AlertDelivery], now: datetime) -> Iterable[_Parcel]:
    together: defaultdict[str, list[AlertDelivery]] = defaultdict(list)
    for row in rows:
        test = row.notice.alerts[0]["kind"] == "test"
        digest = row.channel.digest and not test
        # E-mail to owners is told to those of one application alone.
        whom = (row.notice.application, row.notice.provider)
        to = whom if row.channel.kind == "email" else ""
        together[f"{row.channel_id}/{to}" if digest else str(row.pk)].append(row)
    for deliveries in together.values():
        channel = deliveries[0].channel
        sender = _sender(channel, deliveries, now)
        if sender is not None:
            yield _Parcel(channel, deliveries, sender)


def _sender(
    channel: AlertChannel, deliveries: Sequence[AlertDelivery], now: datetime
) -> Sender | None:
    """How to send it; None when that waits for the vault, or there is nobody to tell."""
    message = _message(deliveries)
    if channel.kind == "email":
        people = recipients.of(channel, deliveries[0].notice)
        if not people:
            _drop(deliveries, "nobody to tell", now)
            return None
        return partial(send_mail, people, message)
    try:
        address = addresses.opened(channel)
    except VaultError:
        ids = [row.pk for row in deliveries]
        rows = AlertDelivery.objects.filter(pk__in=ids)
        rows.update(lease_until=None, next_at=now + SEALED_WAIT)
        return None
    return partial(send_slack if channel.kind == "slack" else send_webhook, address, message)


def _message(deliveries: Sequence[AlertDelivery]) -> Message:
    names = sorted(str(row.pk) for row in deliveries)
    only = len(names) == 1
    alerts = [
        {"id": f"{row.notice_id}-{number}", **alert}
        for row in sorted(deliveries, key=lambda row: (row.notice.at, str(row.pk)))
        for number, alert in enumerate(row.notice.alerts)
    ]
    kind = "test" if alerts[0]["kind"] == "test" else "alert"
    return Message(
        id=names[0] if only else str(uuid.uuid5(_NAMESPACE, ",".join(names))),
        kind=kind if only and not deliveries[0].channel.digest else "digest",
        alerts=alerts,
        more=sum(row.notice.more for row in deliveries),
    )


def wait_after(attempts: int) -> timedelta:
    """How long until the next attempt after so many: 10 s, doubled up to two hours."""
    wait = min(FIRST_WAIT * (1 << min(attempts - 1, 20)), LONGEST_WAIT)
    return wait * (1 + random.random() / 10)  # noqa: S311 - spreads load, hides nothing


def _settle(parcel: _Parcel, attempt: Attempt, now: datetime) -> None:
    for row in parcel.deliveries:
        told = {
            "at": now.astimezone(UTC).isoformat(),
            "status": attempt.status,
            "ms": attempt.milliseconds,
            "answer": attempt.answer,
        }
        # Where the lease was outlived, whoever took it over says what came of it.
        mine = AlertDelivery.objects.filter(pk=row.pk, lease_until=row.lease_until)
        mine.update(
            attempts=row.attempts + 1,
            status=attempt.status,
            answer=attempt.answer,
            log=[*row.log, told][-LOGGED:],
            lease_until=None,
            **_outcome(row, attempt, now),
        )
    channel = AlertChannel.objects.filter(pk=parcel.channel.pk)
    if attempt.ok:
        channel.exclude(failing_since=None).update(failing_since=None)
    else:
        channel.filter(failing_since=None).update(failing_since=now)


def _outcome(row: AlertDelivery, attempt: Attempt, now: datetime) -> dict[str, Any]:
    if attempt.ok:
        return {"state": "sent", "finished_at": now}
    # Whoever tests a channel tries again by themselves.
    test = row.notice.alerts[0]["kind"] == "test"
    if test or now - row.created_at >= GIVE_UP_AFTER:
        return {"state": "given_up", "finished_at": now}
    return {"next_at": now + wait_after(row.attempts + 1)}


def _drop(deliveries: Sequence[AlertDelivery], why: str, now: datetime) -> None:
    rows = AlertDelivery.objects.filter(pk__in=[row.pk for row in deliveries])
    ended = {"state": "given_up", "answer": why, "finished_at": now}
    rows.update(lease_until=None, attempts=F("attempts") + 1, **ended)
