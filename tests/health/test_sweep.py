"""The sweep in numbers: its pace, its caps, its queries, and workers that are killed.

The suite runs short forms; `make prove` the whole, each printing its figure.
"""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from keys import sweeping
from keys.models import Application, Check, Lane, ProbeCount, ProviderKey
from tests.health.conftest import LEASES
from tests.health.many import provider_keys
from tests.health.provider import counts, serving

pytestmark = pytest.mark.django_db
PAST = timedelta(seconds=1)
ROOT = Path(__file__).parent.parent.parent
SLUGS = ("anthropic", "groq", "mistral", "modelslab", "openai")


def stand_in(settings: Settings, url: str, *slugs: str) -> None:
    settings.OUTBOUND_ALLOW = [*settings.OUTBOUND_ALLOW, url.removeprefix("http://")]
    settings.PROVIDER_URLS = {**settings.PROVIDER_URLS, **dict.fromkeys(slugs, url)}


@pytest.mark.django_db(transaction=True)  # what is committed is kept at hand, as in production
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("count", "at_once"), [(300, 40), pytest.param(10_000, 48, marks=pytest.mark.prove)]
)
def test_a_sweep_asks_about_every_key_once_and_never_more_at_once_than_the_cap(
    application: Application, settings: Settings, count: int, at_once: int
) -> None:
    settings.PROBES_AT_ONCE = at_once
    with serving(0.05) as url:
        stand_in(settings, url, "modelslab")
        provider_keys(application, count, timezone.now() - PAST)
        started, spent = time.monotonic(), time.process_time()
        assert sweeping.check_due(seconds=250) == count
        took, spent = time.monotonic() - started, time.process_time() - spent
        told = counts(url)
    print(
        f"sweep of {count} keys against 50 ms: {count / took:.0f} checks/s, "
        f"{spent / count * 1000:.2f} ms of CPU each, at most {told['most']} of {at_once} at once"
    )
    assert told["asked"] == told["keys"] == count
    assert told["most"] <= at_once
    assert ProviderKey.objects.filter(verdict="live", lease_until=None).count() == count
    assert Check.objects.count() == count
    assert ProbeCount.objects.get().probes == count
    assert sweeping.lag() == (0, None)


@contextmanager
def worker(url: str, at_once: int, master: str) -> Iterator["subprocess.Popen[bytes]"]:
    database = connection.settings_dict
    address = f"sqlite:///{database['NAME']}"
    if connection.vendor == "postgresql":
        given = os.environ["KEYDECK_TEST_DATABASE"]
        address = f"{given.rpartition('/')[0]}/{database['NAME']}"
    environment = os.environ | {
        "KEYDECK_TEST_DATABASE": address,
        "KEYDECK_TEST_MASTER": master,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
    }
    command = [sys.executable, "-m", "tests.health.process", url, str(at_once)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


@pytest.mark.django_db(transaction=True)
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("count", "kills"), [(400, 2), pytest.param(6000, 50, marks=pytest.mark.prove)]
)
def test_workers_killed_in_a_sweep_leave_no_key_unchecked_and_none_stuck(
    application: Application,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    count: int,
    kills: int,
) -> None:
    luck, at_once = random.Random(5), 8
    settings.PROBES_AT_ONCE = at_once
    provider_keys(application, count, timezone.now() - PAST)
    done = []
    with serving(0.05) as url:
        stand_in(settings, url, "modelslab")
        for _ in range(kills):
            before = counts(url)["asked"]
            with worker(url, at_once, settings.MASTER_KEYS):
                while counts(url)["asked"] < before + luck.randint(1, 200):
                    threading.Event().wait(0.01)
            done.append(ProviderKey.objects.filter(verdict="live").count())
        monkeypatch.setattr(sweeping, "LANE_LEASE", timedelta(seconds=LEASES[0]))
        monkeypatch.setattr(sweeping, "KEY_LEASE", timedelta(seconds=LEASES[1]))
        while ProviderKey.objects.filter(verdict="unchecked").exists():
            sweeping.check_due(seconds=60)
            threading.Event().wait(0.05)
        told = counts(url)
    again = told["asked"] - count
    print(
        f"{kills} workers killed in a sweep of {count} keys ({done[-1]} done at the last kill): "
        f"every key checked, {again} asked about again, at most {told['most']} of {at_once} at once"
    )
    assert done[-1] < count
    assert told["keys"] == count
    assert told["most"] <= at_once
    assert again <= kills * at_once * sweeping.AHEAD * 2
    assert not ProviderKey.objects.exclude(lease_until=None).exists()
    assert not Lane.objects.exclude(lease_until=None).exists()


def plan(query: object) -> str:
    """How the database would run it."""
    sql, parameters = query.query.sql_with_params()  # type: ignore[attr-defined]
    with connection.cursor() as cursor:
        explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
        cursor.execute(f"{explain} {sql}", parameters)
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


def crowd(application: Application, count: int) -> datetime:
    """So many keys of several providers, each hundredth due; returns the present."""
    now = timezone.now()
    for slug in SLUGS:
        many = count // len(SLUGS)
        provider_keys(application, many // 100, now - PAST, provider=slug, sealed=False)
        later = now + timedelta(seconds=200)
        ProviderKey.objects.bulk_create(
            [
                ProviderKey(
                    application=application,
                    name=f"{slug} later {number}",
                    provider=slug,
                    next_check_at=later + timedelta(milliseconds=number),
                )
                for number in range(many - many // 100)
            ],
            batch_size=1000,
        )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return now


def test_what_is_due_is_found_by_the_index(application: Application) -> None:
    now = crowd(application, 5000)
    for query in (
        sweeping._due_of("openai", now)[:16],
        ProviderKey.objects.filter(provider__gt="groq").order_by("provider").values("provider")[:1],
    ):
        told = plan(query)
        assert "provider_key_due" in told or "provider_key_looks" in told, told
        assert "Seq Scan" not in told and "SCAN keys" not in told, told


def tick() -> tuple[float, int]:
    """Seconds that dispatching takes: the lanes, and the first keys of each."""
    began = time.monotonic()
    lanes = sweeping._take_lanes({})
    claimed = sum(len(sweeping._lease(slug, 200)) for slug in lanes)
    sweeping.lag()
    return time.monotonic() - began, claimed


@pytest.mark.timeout(900)
@pytest.mark.parametrize("count", [5000, pytest.param(100_000, marks=pytest.mark.prove)])
def test_the_dispatch_of_one_percent_costs_the_same_however_many_keys_there_are(
    application: Application, count: int
) -> None:
    crowd(application, count)
    with CaptureQueriesContext(connection) as queries:
        took, claimed = tick()
    print(
        f"dispatch of {count} keys, 1 % due, on {connection.vendor}: {took * 1000:.0f} ms, "
        f"{len(queries)} queries, {claimed} claimed"
    )
    assert claimed == count // 100
    assert len(queries) <= 15 * len(SLUGS)
