"""manage.py seed_usage: made-up usage that is counted as real usage is."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from keys.models import AppKey, Application, ProviderKey, User
from tests.factories import ApplicationFactory
from usage import demo, partitions, stats
from usage.events import Outcome
from usage.models import Call, KeyDay
from usage.periods import Step
from usage.rollups import compare, tables
from usage.seeding import cast

pytestmark = pytest.mark.django_db
CALLS, DAYS = 2000, 8


@pytest.fixture(autouse=True)
def _two_applications(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each costs more than its calls."""
    monkeypatch.setattr(cast, "NAMES", cast.NAMES[:2])


def seed(**options: Any) -> datetime:
    """Seeds up to now; returns when that was."""
    until = timezone.now()
    given = {"calls": CALLS, "days": DAYS, "keys": 12, "until": until.isoformat(), **options}
    words = [f"--{name.replace('_', '-')}={value}" for name, value in given.items()]
    call_command("seed_usage", *words, stdout=StringIO(), stderr=StringIO())
    return until


def a_real_call() -> None:
    if partitions.in_use():
        partitions.make_ahead(timezone.now())
    application = ApplicationFactory()
    Call.objects.create(id=uuid4(), started_at=timezone.now(), application=application.pk)


def test_every_call_is_counted_as_ingest_would_have() -> None:
    until = seed()
    assert Call.objects.count() == CALLS
    assert list(compare(until - timedelta(days=DAYS), until, until)) == []
    found = stats.totals(stats.Filter(since=until - timedelta(days=DAYS + 1), until=until), until)
    assert found.requests == CALLS


def test_the_account_adds_up() -> None:
    seed()
    ledger = stats.ledger()
    assert (ledger.accepted, ledger.stored, ledger.lost) == (CALLS, CALLS, 0)
    assert ledger.pending == 0


def test_calls_belong_to_seeded_applications_whose_keys_have_names() -> None:
    seed()
    applications = dict(Application.objects.values_list("pk", "slug"))
    assert all(slug.startswith("seeded-") for slug in applications.values())
    assert set(Call.objects.values_list("application", flat=True)) <= applications.keys()
    named = {"", *AppKey.objects.values_list("pk", flat=True)}
    assert set(Call.objects.values_list("app_key", flat=True)) <= named
    named = {"", *ProviderKey.objects.values_list("pk", flat=True)}
    assert set(Call.objects.values_list("provider_key", flat=True)) <= named


def test_nobody_is_asked_about_a_made_up_secret() -> None:
    seed()
    real = ProviderKey.objects.exclude(provider="sandbox")
    assert set(real.values_list("state", flat=True)) == {"disabled"}


def test_few_keys_call_most_and_each_knows_its_last_use() -> None:
    seed()
    calls = Counter(Call.objects.values_list("app_key", flat=True))
    (_, most), *_, (_, least) = calls.most_common()
    assert most > 5 * least
    for key in AppKey.objects.all():
        last = Call.objects.filter(app_key=key.pk).order_by("started_at").last()
        assert key.last_used_at == (last.started_at if last else None)


def test_the_nights_and_weekends_are_quiet() -> None:
    seed(calls=8000, days=14)
    hours = Counter(at.hour for at in Call.objects.values_list("started_at", flat=True))
    assert sum(hours[hour] for hour in range(11, 17)) > 2 * sum(hours[h] for h in (23, *range(5)))
    days = Counter(at.weekday() for at in Call.objects.values_list("started_at", flat=True))
    assert days[5] + days[6] < days[1] + days[2]


def test_an_account_runs_dry_and_a_key_is_rotated() -> None:
    seed()
    outcomes = Counter(Call.objects.values_list("provider_key", "outcome"))
    dry = max((n, key) for (key, outcome), n in outcomes.items() if outcome == Outcome.KEY_ERROR)[1]
    assert outcomes[dry, Outcome.KEY_ERROR] > outcomes[dry, Outcome.OK] // 2
    rotated = Call.objects.filter(app_key_version=2).values_list("app_key", flat=True)
    [key] = set(rotated)
    assert AppKey.objects.get(pk=key).versions.count() == 2
    assert Call.objects.filter(app_key=key, app_key_version=1).exists()


def test_the_same_seed_makes_the_same_calls() -> None:
    until = datetime(2026, 11, 20, tzinfo=UTC)
    columns = ("id", "started_at", "endpoint", "outcome", "status", "latency_ms", "bytes_out")
    found = []
    for _ in range(2):
        seed(calls=500, seed=5, until=until.isoformat())
        found.append(list(Call.objects.order_by("id").values_list(*columns)))
        Call.objects.all().delete()
        for table in tables():
            table.model.objects.all().delete()
        Application.objects.all().delete()
    assert found[0] == found[1]
    assert {at for _, at, *_ in found[0]} <= {at for _, at, *_ in found[0] if at < until}


def test_real_calls_are_not_mixed_with_made_up_ones() -> None:
    a_real_call()
    with pytest.raises(CommandError, match="has real calls: --into-live"):
        seed()
    assert not Application.objects.filter(slug__startswith="seeded-").exists()
    call_command("seed_usage", "--into-live", "--calls=10", "--days=1", "--keys=2")
    assert Call.objects.count() == 11


def test_what_people_made_is_not_mixed_with_what_is_made_up() -> None:
    application = ApplicationFactory()
    with pytest.raises(CommandError, match="has applications that somebody made: --into-live"):
        seed()
    application.delete()
    KeyDay.objects.create(
        at=timezone.now(), application="gone", app_key="k", provider="p", provider_key="u",
        outcome="ok", status=200, requests=1,
    )  # fmt: skip
    with pytest.raises(CommandError, match="has counts of real calls: --into-live"):
        seed()
    assert not Application.objects.exists()


def test_the_demo_is_nobodys(admin: User) -> None:
    demo.application()
    seed(calls=10)
    assert Call.objects.count() == 10


def test_an_installation_is_seeded_once() -> None:
    seed(calls=10)
    with pytest.raises(CommandError, match="seeded applications already"):
        seed(calls=10)


@pytest.mark.parametrize("option", ["--calls=0", "--days=-1", "--keys=none", "--until=yesterday"])
def test_an_impossible_option_is_refused(option: str) -> None:
    with pytest.raises(CommandError, match=option.partition("=")[0]):
        call_command("seed_usage", option)


def test_minutes_are_counted_only_as_long_as_they_are_kept() -> None:
    until = seed()
    minutes = stats.series(stats.Filter(since=until - timedelta(days=1)), Step.MINUTE, now=until)
    assert sum(1 for point in minutes if point.requests) > 10
    with pytest.raises(stats.TooFine):
        stats.series(stats.Filter(since=until - timedelta(days=5)), Step.MINUTE, now=until)
