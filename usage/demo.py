"""The demo application on the sandbox provider, with a day of believable traffic.

Made once, through the same doors as everything else: lifecycle, spool, ingest, and a few real
calls. What it made and somebody deleted stays deleted.
"""

import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import requests
from django.conf import settings

from keys import lifecycle
from keys.audit import Actor
from keys.models import AppKey, Application, ProviderKey, User
from usage import ingest, spool
from usage.client import KeyedSession
from usage.demo_state import (
    APP_KEYS,
    HOURS,
    MAIN,
    NAME,
    PROVIDER,
    PROVIDER_KEYS,
    TRIAL,
    find,
    has_traffic,
)
from usage.events import CallEvent, Outcome, Source
from usage.seeding.cast import Cast, Outage, Part
from usage.seeding.rhythm import hours
from usage.seeding.traffic import COLUMNS, Row, Traffic

CALLS = 2000
SPENT_AGO = timedelta(hours=5)  # the trial account ran dry then
INCIDENT_AGO, INCIDENT_LENGTH = timedelta(hours=7), timedelta(minutes=25)


def application() -> Application | None:
    """The demo application, made unless it was once made already; None when it was deleted."""
    was_made, found = find()
    return found if was_made else lifecycle.create_application(_actor(), name="Demo")


def fill(application: Application, now: datetime) -> None:
    """Keys and traffic, as far as they are missing. The sandbox provider must be running."""
    actor = _actor()
    for name, secret in PROVIDER_KEYS.items():
        if not application.provider_keys.filter(name=name).exists():
            lifecycle.add_provider_key(
                actor, application, name=name, provider=PROVIDER, secret=secret
            )
    for name in APP_KEYS:
        if not application.app_keys.filter(name=name).exists():
            limit = 60 if name == "Nightly batch" else None
            lifecycle.create_app_key(actor, application, name=name, per_minute=limit)
    if not has_traffic(application):
        record(list(traffic(application, now, random.Random(7))))  # noqa: S311 - a story
        call(application)


def record(events: list[CallEvent]) -> None:
    """Through a spool of their own into the ledger, as a process's calls would come."""
    own = spool.Spool(Path(settings.SPOOL_DIR) / spool.new_writer_id())
    for event in events:
        number = own.begin(event._replace(outcome=Outcome.ABORTED, status=0, latency_ms=0.0))
        own.end(number, event)
    own.close()
    ingest.drain(own.directory)


def call(application: Application) -> None:
    """Three real calls through the wrapper."""
    with KeyedSession(application.slug, PROVIDER, caller=NAME) as session:
        for prompt in ("a lighthouse in the fog", "a fox asleep", "the same fox, awake"):
            body = {"prompt": prompt, "model_id": "flux", "width": 512, "height": 512}
            with suppress(requests.RequestException):  # then the ledger tells of it
                session.post("/api/v6/images/text2img", json=body, timeout=10)
    ingest.stop_drainer()


def traffic(application: Application, now: datetime, luck: random.Random) -> Iterator[CallEvent]:
    """Events of the last HOURS, as `seed_usage` makes them: one outage at the provider, and an
    account that runs dry."""
    until = now - timedelta(minutes=1)
    out = now - INCIDENT_AGO
    outage = Outage(PROVIDER, _ms(out), _ms(out + INCIDENT_LENGTH))
    since = now - timedelta(hours=HOURS)
    cast = Cast(list(_parts(application, _ms(until - SPENT_AGO))), since, until, [outage])
    made = Traffic(cast, luck)
    for hour in hours(cast.since_ms, cast.until_ms, CALLS, len(cast.parts), luck):
        yield from map(_event, made.of(hour))


def _parts(application: Application, spent_at: int) -> Iterator[Part]:
    """The app keys with the main account, the busiest first, and the last one's trial account."""
    app_keys = {key.name: key.pk for key in AppKey.objects.filter(application=application)}
    accounts = {key.name: key.pk for key in ProviderKey.objects.filter(application=application)}
    for name in APP_KEYS:
        yield _part(application, app_keys[name], accounts[MAIN])
    trial = _part(application, app_keys[APP_KEYS[-1]], accounts[TRIAL])
    yield replace(trial, mood="spent", mood_since=spent_at)


def _part(application: Application, app_key: str, account: str) -> Part:
    return Part(application.pk, app_key, PROVIDER, (account,), "127.0.0.1", NAME)


def _event(row: Row) -> CallEvent:
    told = dict(zip(COLUMNS, row, strict=True))
    named = {
        "id": str(UUID(told["id"])),
        "source": Source(told["source"]),
        "outcome": Outcome(told["outcome"]),
        "tried": (),
    }
    return CallEvent(**(told | named))


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _actor() -> Actor:
    return Actor(User.objects.filter(is_superuser=True).order_by("pk").first(), NAME)
