"""The demo application on the sandbox provider, with a day of believable traffic.

Made once, through the same doors as everything else: lifecycle, spool, ingest, and a few real
calls. What it made and somebody deleted stays deleted.
"""

import math
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

import requests
import uuid_utils
from django.conf import settings

from keys import lifecycle
from keys.audit import Actor
from keys.models import AppKey, Application, ProviderKey, User
from keys.providers.answers import NANOS
from keys.sandbox.openai import ANSWERED_DOLLARS, ASKED_DOLLARS
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

PER_MINUTE = 1.9  # at the busiest time of day


@dataclass(frozen=True, slots=True)
class Endpoint:
    path: str
    share: float
    median_ms: float
    bytes_out: int
    tokens_in: int = 0  # of an ordinary call
    tokens_out: int = 0


ENDPOINTS = (
    Endpoint("/api/v6/images/text2img", 0.55, 1400, 620),
    Endpoint("/api/v6/images/img2img", 0.17, 1900, 640),
    Endpoint("/api/v6/images/fetch/{id}", 0.2, 90, 480),
    Endpoint("/api/v6/image_editing/super_resolution", 0.08, 2600, 410),
    Endpoint("/api/v7/llm/chat/completions", 0.12, 1100, 900, tokens_in=640, tokens_out=180),
)


@dataclass(frozen=True, slots=True)
class Ending:
    """One way a call ends. `speed` scales the endpoint's latency."""

    share: float
    outcome: Outcome
    status: int
    code: str = ""
    message: str = ""
    speed: float = 1.0


ENDINGS = (
    Ending(0.930, Outcome.OK, 200),
    Ending(0.022, Outcome.CALLER_ERROR, 400, "bad_request", "prompt is required", 0.05),
    Ending(0.012, Outcome.KEY_ERROR, 402, "key_exhausted", "Insufficient credits", 0.05),
    Ending(0.012, Outcome.RATE_LIMITED, 429, "rate_limited", "Rate limit exceeded", 0.04),
    Ending(0.008, Outcome.UPSTREAM_ERROR, 500, "server_error", "Internal server error", 0.6),
    Ending(0.003, Outcome.NETWORK_ERROR, 504, "timeout", "No answer in time", 9.0),
    Ending(0.010, Outcome.DENIED, 429, "rate_limited", "Limit per minute reached", 0.001),
    Ending(0.003, Outcome.ABORTED, 0, "", "", 0.7),
)
T = TypeVar("T", Endpoint, Ending)
INCIDENT = Ending(0, Outcome.UPSTREAM_ERROR, 503, "unavailable", "Service unavailable", 0.1)
INCIDENT_AGO, INCIDENT_LENGTH = timedelta(hours=7), timedelta(minutes=25)
UNSENT = (Outcome.DENIED,)  # no provider key was used


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


def traffic(application: Application, now: datetime, rng: random.Random) -> Iterator[CallEvent]:
    """Events of the last HOURS: busy by day, quiet by night, one outage at the provider."""
    app_keys = {key.name: key.pk for key in AppKey.objects.filter(application=application)}
    provider_keys = {
        key.name: key.pk for key in ProviderKey.objects.filter(application=application)
    }
    minute = now - timedelta(hours=HOURS)
    while minute < now - timedelta(minutes=1):
        for _ in range(_how_many(minute, rng)):
            at = minute + timedelta(seconds=rng.uniform(0, 40))
            endpoint = _pick(ENDPOINTS, rng)
            ending = _ending(at, now, rng)
            used = "" if ending.outcome in UNSENT else provider_keys[_account(ending)]
            name = rng.choices(list(APP_KEYS), list(APP_KEYS.values()))[0]
            event = _event(at, endpoint, ending, rng)
            yield event._replace(
                application=application.pk,
                app_key=app_keys[name],
                app_key_version=1,
                provider_key=used,
                provider_key_version=1 if used else 0,
                attempts=1 if used else 0,
            )
        minute += timedelta(minutes=1)


def _actor() -> Actor:
    return Actor(User.objects.filter(is_superuser=True).order_by("pk").first(), NAME)


def _account(ending: Ending) -> str:
    return TRIAL if ending.outcome is Outcome.KEY_ERROR else MAIN


def _how_many(minute: datetime, rng: random.Random) -> int:
    """Calls in this minute: most in the early afternoon, a fifth of that at night."""
    hour = minute.hour + minute.minute / 60
    rhythm = 0.6 + 0.4 * math.sin((hour - 8) / 24 * 2 * math.pi)
    left, count = math.exp(-PER_MINUTE * rhythm), 0
    chance = rng.random()
    while chance > left:  # Poisson, after Knuth
        count += 1
        chance *= rng.random()
    return count


def _ending(at: datetime, now: datetime, rng: random.Random) -> Ending:
    since = at - (now - INCIDENT_AGO)
    if timedelta(0) < since < INCIDENT_LENGTH and rng.random() < 0.7:
        return INCIDENT
    return _pick(ENDINGS, rng)


def _pick(what: tuple[T, ...], rng: random.Random) -> T:
    return rng.choices(what, [one.share for one in what])[0]


def _event(at: datetime, endpoint: Endpoint, ending: Ending, rng: random.Random) -> CallEvent:
    """A call without its keys: what was asked and how it ended."""
    latency = endpoint.median_ms * ending.speed * rng.lognormvariate(0, 0.35)
    milliseconds = int(at.timestamp() * 1000)
    answered = ending.status and ending.outcome is not Outcome.NETWORK_ERROR
    length = rng.lognormvariate(0, 0.5) if ending.outcome is Outcome.OK else 0.0
    asked, told = round(endpoint.tokens_in * length), round(endpoint.tokens_out * length)
    return CallEvent(
        id=str(uuid_utils.uuid7(nanoseconds=milliseconds * 1_000_000)),
        source=Source.GATEWAY,
        application="",
        provider=PROVIDER,
        method="POST",
        endpoint=endpoint.path,
        started_at=milliseconds,
        address="127.0.0.1",
        user_agent=NAME,
        outcome=ending.outcome,
        code=ending.code,
        message=ending.message,
        status=ending.status,
        latency_ms=round(latency, 1),
        first_byte_ms=round(latency * 0.97, 1) if answered else 0.0,
        bytes_in=rng.randint(120, 420),
        bytes_out=endpoint.bytes_out if ending.outcome is Outcome.OK else 90 if answered else 0,
        tokens_in=asked,
        tokens_out=told,
        cost_nanos=round((asked * ASKED_DOLLARS + told * ANSWERED_DOLLARS) * NANOS),
    )
