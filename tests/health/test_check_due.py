"""Which keys are checked when, by how many workers, and what a dying worker leaves."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from keys import health, sweeping, tasks, validation, vault
from keys.evidence import Evidence
from keys.models import Application, Check, Provider, ProviderKey
from keys.states import KeyState, Verdict
from tests.factories import ProviderKeyFactory
from tests.health.conftest import LIVE, REFUSED, Clock
from tests.keys.threads import in_threads
from tests.live import PATIENCE
from tests.upstream import Answer, Received, Upstream

pytestmark = pytest.mark.django_db
PAST = timedelta(seconds=1)


@pytest.fixture
def make(application: Application) -> Callable[..., ProviderKey]:
    """A key that is due."""

    def due(secret: str = "", **fields: object) -> ProviderKey:
        fields = {"next_check_at": timezone.now() - PAST, **fields}
        made: ProviderKey = ProviderKeyFactory(
            application=application, **({"secret": secret} if secret else {}), **fields
        )
        return made

    return due


def test_what_is_due_is_checked_and_nothing_else(
    make: Callable[..., ProviderKey], allow_upstream: Upstream
) -> None:
    allow_upstream.answer(200, LIVE)
    due = [make(), make(state=KeyState.DISABLED)]
    later = make(next_check_at=timezone.now() + timedelta(seconds=60))
    never = make(next_check_at=None)
    assert sweeping.check_due() == 2
    for key in due:
        key.refresh_from_db()
        assert (key.verdict, key.lease_until) == ("live", None)
        assert key.next_check_at is not None and key.next_check_at > timezone.now()
    for key in (later, never):
        key.refresh_from_db()
        assert key.verdict == "unchecked"
    assert sweeping.check_due() == 0


def test_each_key_is_asked_about_with_its_own_secret(
    make: Callable[..., ProviderKey], allow_upstream: Upstream
) -> None:
    def answer(received: Received) -> Answer:
        dead = received.json()["key"] == "the dead one"
        body = b'{"status": "error", "message": "Invalid API key"}' if dead else b"{}"
        good = b'{"status": "success"}'
        return Answer(401 if dead else 200, body if dead else good)

    allow_upstream.handler = answer
    live, dead = make("the live one"), make("the dead one")
    assert sweeping.check_due() == 2
    live.refresh_from_db()
    dead.refresh_from_db()
    assert (live.verdict, dead.verdict) == ("live", "dead")


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_check_the_same_key(
    make: Callable[..., ProviderKey], allow_upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two processes, that is: in one of them only one sweep claims.
    monkeypatch.setattr(sweeping, "_claiming", threading.Semaphore(2))
    allow_upstream.answer(200, LIVE)
    keys = [make() for _ in range(30)]
    together = threading.Barrier(2)

    def work() -> int:
        together.wait(PATIENCE)
        return sweeping.check_due()

    assert sum(in_threads([work, work])) == len(keys)
    asked = [received.json()["key"] for received in allow_upstream.requests]
    assert len(asked) == len(set(asked)) == len(keys)


@pytest.mark.django_db(transaction=True)
def test_what_a_dead_worker_was_at_is_checked_once_its_leases_end(
    make: Callable[..., ProviderKey],
    allow_upstream: Upstream,
    monkeypatch: pytest.MonkeyPatch,
    clock: Clock,
) -> None:
    allow_upstream.answer(200, LIVE)
    key = make()

    def die(*_: object, **__: object) -> None:
        raise SystemExit("killed in the middle of the check")

    with monkeypatch.context() as patch:
        patch.setattr(health, "record_many", die)
        patch.setattr(sweeping._Sweep, "leave", lambda sweep: None)
        with pytest.raises(SystemExit):
            sweeping.check_due()
    key.refresh_from_db()
    assert key.verdict == "unchecked"
    assert sweeping.check_due() == 0
    clock.jump(seconds=25)
    assert sweeping.check_due() == 0  # the lane is free, the key is not
    clock.jump(seconds=6)
    assert sweeping.check_due() == 1
    key.refresh_from_db()
    assert key.verdict == "live"


def test_a_slow_provider_does_not_keep_the_others_waiting(
    make: Callable[..., ProviderKey], allow_upstream: Upstream
) -> None:
    release = threading.Event()
    quick = threading.Semaphore(0)

    def answer(received: Received) -> Answer:
        if received.json()["key"] == "slow":
            return Answer(200, b'{"status": "success"}', wait_for=release)
        quick.release()
        if len(allow_upstream.requests) >= 5:
            release.set()
        return Answer(200, b'{"status": "success"}')

    allow_upstream.handler = answer
    make("slow")
    for _ in range(4):
        make()
    assert sweeping.check_due() == 5
    for _ in range(4):
        assert quick.acquire(timeout=PATIENCE)


def test_a_slow_provider_holds_up_no_other(
    make: Callable[..., ProviderKey],
    allow_upstream: Upstream,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More of its keys are due, and for longer, than may be asked about at once."""
    settings.PROBES_AT_ONCE = 2
    settings.PROVIDER_URLS["openai"] = allow_upstream.url
    monkeypatch.setattr(sweeping, "TIMEOUT", 60.0)
    release = threading.Event()
    quick = 0

    def answer(received: Received) -> Answer:
        nonlocal quick
        if received.path == "/v1/models":
            return Answer(200, b'{"data": []}', wait_for=release)
        quick += 1
        if quick == 12:
            release.set()
        return Answer(200, b'{"status": "success"}')

    allow_upstream.handler = answer
    for _ in range(12):
        make(provider="openai", next_check_at=timezone.now() - timedelta(hours=1))
    for _ in range(12):
        make()
    assert sweeping.check_due() == 24
    assert set(ProviderKey.objects.values_list("verdict", flat=True)) == {"live"}


@pytest.mark.parametrize(
    "outage",
    [
        {"status": 503, "body": "down"},
        {"status": 500, "body": REFUSED},
        {"status": 200, "body": "<html>captive portal</html>"},
        {"status": 302, "headers": {"Location": "/login"}},
        {"hang_up": True},
    ],
    ids=["503", "500", "html", "redirect", "reset"],
)
def test_an_outage_of_the_provider_flips_no_key(
    make: Callable[..., ProviderKey], allow_upstream: Upstream, outage: dict[str, object]
) -> None:
    allow_upstream.answer(**outage)  # type: ignore[arg-type]
    before = timezone.now() - timedelta(hours=1)
    keys = [make(verdict=verdict, verdict_at=before) for verdict in ("live", "exhausted", "dead")]
    assert sweeping.check_due() == 3
    for key in keys:
        verdict = key.verdict
        key.refresh_from_db()
        assert (key.verdict, key.suspect, key.verdict_at) == (verdict, False, before)
        assert key.checked_at is None
    assert set(Check.objects.values_list("meaning", "moved_to")) == {("unknown", "")}


def test_a_broken_key_is_suspect_then_dead_then_live_once_mended(
    make: Callable[..., ProviderKey], allow_upstream: Upstream
) -> None:
    key = make(verdict="live", verdict_at=timezone.now())

    def look(status: int, body: object) -> tuple[str, bool]:
        allow_upstream.answer(status, body)
        ProviderKey.objects.filter(pk=key.pk).update(next_check_at=timezone.now() - PAST)
        assert sweeping.check_due() == 1
        key.refresh_from_db()
        return key.verdict, key.suspect

    assert look(401, REFUSED) == ("live", True)
    assert key.refused_at is not None
    assert key.next_check_at == key.refused_at + timedelta(seconds=60)
    assert look(401, REFUSED) == ("live", True)  # within the minute
    ProviderKey.objects.filter(pk=key.pk).update(refused_at=timezone.now() - timedelta(seconds=60))
    assert look(401, REFUSED) == ("dead", False)
    assert look(200, LIVE) == ("live", False)


def test_a_sealed_vault_asks_nothing_and_changes_nothing(
    make: Callable[..., ProviderKey], allow_upstream: Upstream, settings: Settings
) -> None:
    key = make()
    row = ProviderKey.objects.filter(pk=key.pk).values().get()
    settings.MASTER_KEYS = ""
    vault.forget()
    assert vault.is_sealed()
    assert sweeping.check_due() == 0
    assert ProviderKey.objects.filter(pk=key.pk).values().get() == row
    assert allow_upstream.requests == []


def test_a_secret_that_does_not_open_is_its_own_verdict(
    make: Callable[..., ProviderKey], allow_upstream: Upstream
) -> None:
    key, other = make(), make()
    stolen = other.versions.get()
    key.versions.update(sealed=stolen.sealed)
    allow_upstream.answer(200, LIVE)
    assert sweeping.check_due() == 2
    key.refresh_from_db()
    other.refresh_from_db()
    assert (key.verdict, other.verdict) == ("undecryptable", "live")
    assert len(allow_upstream.requests) == 1


def test_a_custom_provider_without_a_probe_leaves_the_queue(
    make: Callable[..., ProviderKey], allow_upstream: Upstream
) -> None:
    Provider.objects.create(
        slug="unprobed", name="Unprobed", base_url=allow_upstream.url, credential_in="bearer"
    )
    key = make(provider="unprobed")
    assert sweeping.check_due() == 0
    key.refresh_from_db()
    assert (key.verdict, key.next_check_at, key.lease_until) == ("unchecked", None, None)
    assert validation.check_now(key).meaning is Verdict.UNKNOWN


def test_a_custom_provider_is_probed_as_its_row_says(
    make: Callable[..., ProviderKey], allow_upstream: Upstream
) -> None:
    Provider.objects.create(
        slug="acme",
        name="Acme",
        base_url=f"{allow_upstream.url}/base",
        credential_in="header",
        credential_name="X-Acme-Key",
        probe_method="GET",
        probe_path="/me?fields=id",
    )
    allow_upstream.answer(200, {"id": 1})
    key = make("acme secret", provider="acme")
    assert sweeping.check_due() == 1
    (sent,) = allow_upstream.requests
    assert (sent.target, sent.header("X-Acme-Key")) == ("/base/me?fields=id", "acme secret")
    key.refresh_from_db()
    assert key.verdict == "live"


def test_a_shorter_interval_holds_for_rows_made_under_a_longer_one(
    make: Callable[..., ProviderKey], settings: Settings
) -> None:
    later = timezone.now() + timedelta(hours=1)
    live = make(verdict="live", next_check_at=later)
    dead = make(verdict="dead", next_check_at=later)
    settings.CHECK_INTERVAL = 120.0
    sweeping.check_due()
    live.refresh_from_db()
    dead.refresh_from_db()
    assert live.next_check_at < timezone.now() + timedelta(seconds=120)
    assert dead.next_check_at == later


def test_checking_on_demand_records_what_it_saw(
    make: Callable[..., ProviderKey], allow_upstream: Upstream
) -> None:
    allow_upstream.answer(402, {"status": "error", "message": "Insufficient credits."})
    key = make(next_check_at=None)
    evidence = validation.check_now(key)
    key.refresh_from_db()
    assert (evidence.meaning, key.verdict) == (Verdict.EXHAUSTED, "exhausted")
    assert key.evidence["message"] == "Insufficient credits."
    assert isinstance(evidence, Evidence)


def test_the_tasks_are_named_as_beat_calls_them() -> None:
    named = {task.name for task in (tasks.check_due, tasks.end_overlaps, tasks.expire_app_keys)}
    assert named == {
        "keys.tasks.check_due",
        "keys.tasks.end_overlaps",
        "keys.tasks.expire_app_keys",
    }


def test_the_tasks_run_on_an_empty_database() -> None:
    assert tasks.check_due() == tasks.end_overlaps() == tasks.expire_app_keys() == 0


def test_a_fault_of_the_check_itself_is_evidence_of_nothing_and_the_key_is_due_again(
    make: Callable[..., ProviderKey],
    allow_upstream: Upstream,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    allow_upstream.answer(200, LIVE)
    key = make()

    def fail(*_: object) -> Evidence:
        raise KeyError("text-of-the-fault")

    monkeypatch.setattr("keys.probing._read", fail)
    assert sweeping.check_due() == 1
    key.refresh_from_db()
    assert (key.verdict, key.evidence["code"], key.lease_until) == ("unknown", "check_failed", None)
    assert "KeyError" in key.evidence["message"]
    assert key.next_check_at is not None and key.next_check_at > timezone.now()
    assert validation.check_now(key).code == "check_failed"
    assert "KeyError" in caplog.text
    for told in (caplog.text, *Check.objects.values_list("message", flat=True)):
        assert "text-of-the-fault" not in told
