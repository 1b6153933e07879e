"""The demo: believable, made once, left alone when it was deleted."""

import random
import subprocess
import sys
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from keys.models import Application, AuditEvent
from tests.factories import AppKeyFactory, ProviderKeyFactory
from tests.live import ROOT, Keydeck
from usage import demo, demo_state
from usage.events import Outcome


@pytest.fixture
def story(application: Application) -> list[demo.CallEvent]:
    for name in demo.PROVIDER_KEYS:
        ProviderKeyFactory(application=application, name=name, provider="sandbox")
    for name in demo.APP_KEYS:
        AppKeyFactory(application=application, name=name)
    return list(demo.traffic(application, timezone.now(), random.Random(7)))


def test_its_traffic_shows_every_way_a_call_can_end(story: list[demo.CallEvent]) -> None:
    assert {event.outcome for event in story} == set(Outcome)
    good = sum(event.outcome is Outcome.OK for event in story)
    assert 0.85 < good / len(story) < 0.97
    assert {event.user_agent for event in story} == {"demo"}


def test_its_chats_report_tokens_and_a_cost(story: list[demo.CallEvent]) -> None:
    for event in story:
        answered = event.endpoint.endswith("/completions") and event.outcome is Outcome.OK
        for used in (event.tokens_in, event.tokens_out, event.cost_nanos):
            assert bool(used) is answered
    assert any(event.cost_nanos for event in story)


def test_its_traffic_lies_in_the_past(story: list[demo.CallEvent]) -> None:
    now = timezone.now()
    oldest = (now - timedelta(hours=demo.HOURS + 1)).timestamp() * 1000
    assert min(event.started_at for event in story) > oldest
    assert max(event.started_at for event in story) < now.timestamp() * 1000


def test_a_deleted_demo_stays_deleted(transactional_db: None) -> None:
    made = demo.application()
    assert made is not None
    assert not demo_state.is_settled()
    made.delete()
    assert demo_state.is_settled()
    call_command("demo")
    assert not Application.objects.exists()


def test_somebody_elses_application_of_that_name_is_left_alone(transactional_db: None) -> None:
    theirs = Application.objects.create(slug="demo", name="Demo")
    made = demo.application()
    assert made is not None
    assert made.pk != theirs.pk
    assert AuditEvent.objects.filter(actor_name="demo", application_id=made.pk).exists()


def test_asking_whether_it_is_there_loads_no_http_library() -> None:
    code = "import django; django.setup(); import usage.demo_state, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "usage.demo_state" in loaded
    assert not {"aiohttp", "requests", "usage.gateway"} & set(loaded)


@pytest.mark.live
@pytest.mark.xdist_group("live")
def test_the_running_product_shows_it(keydeck: Keydeck) -> None:
    totals = keydeck.call("GET", "/usage/totals?application=demo").json()
    assert totals["requests"] > 500
    assert {"ok", "caller_error", "key_error", "upstream_error"} <= totals["by_outcome"].keys()
    verdicts = keydeck.query(
        "SELECT verdict FROM keys_providerkey WHERE name IN (?, ?) ORDER BY name",
        demo.MAIN,
        demo.TRIAL,
    )
    assert verdicts == [("live",), ("exhausted",)]
