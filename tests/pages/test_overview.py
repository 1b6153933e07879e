"""The overview: what needs attention first, with evidence and remedy, then what to do next."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from keys import attention, lifecycle
from keys.audit import DEMO, Actor
from keys.models import AppKey, Application, ProviderKey, User
from keys.states import Stage
from tests.factories import AppKeyFactory, ApplicationFactory, ProviderKeyFactory, add_version
from tests.pages.conftest import page_of

ClientOf = Callable[..., Client]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"verdict": "dead"}, ("is dead", "correct and not revoked")),
        ({"verdict": "exhausted"}, ("is exhausted", "Add credits")),
        ({"verdict": "limited"}, ("is limited", "higher tier")),
        ({"verdict": "undecryptable"}, ("decrypted", "master key")),
        ({"verdict": "live", "refused_at": timezone.now()}, ("is suspect", "second probe")),
        ({"state": "revoked", "live_at_provider": True}, ("still live at the provider", "too")),
    ],
)
def test_a_key_in_trouble_is_named_with_evidence_and_what_to_do(
    fields: dict[str, object],
    words: tuple[str, str],
    client_of: ClientOf,
    viewer: User,
    provider_key: ProviderKey,
) -> None:
    evidence = {"status": 401, "code": "invalid_key", "message": "Invalid API key"}
    ProviderKey.objects.update(evidence=evidence, **fields)
    page = client_of(viewer).get("/").content.decode()
    assert page_of(provider_key) in page
    assert all(word in page for word in words)


def test_a_likely_cause_stands_between_the_evidence_and_what_to_do(
    client_of: ClientOf, viewer: User, provider_key: ProviderKey
) -> None:
    evidence = {"status": 401, "code": "invalid_key", "message": "Invalid API key"}
    ProviderKey.objects.update(evidence=evidence, verdict="dead")
    page = client_of(viewer).get("/").content.decode()
    assert "Likely cause: It was revoked or replaced at the provider" in page
    assert page.index("Invalid API key") < page.index("Likely cause") < page.index("What to do:")


def test_waiting_rotations_and_expiring_app_keys_are_named(
    client_of: ClientOf, viewer: User, provider_key: ProviderKey, app_key: AppKey
) -> None:
    add_version(provider_key, "another-secret", number=2, stage=Stage.PENDING)
    AppKey.objects.update(expires_at=timezone.now() + timedelta(days=3))
    page = client_of(viewer).get("/").content.decode()
    assert "waits in the middle of a rotation" in page
    assert "expires soon" in page


def test_when_all_is_well_it_says_so(
    client_of: ClientOf, viewer: User, provider_key: ProviderKey, app_key: AppKey
) -> None:
    assert "Nothing needs you" in client_of(viewer).get("/").content.decode()


def test_the_troubles_of_others_stay_theirs(client_of: ClientOf, viewer: User) -> None:
    other = ApplicationFactory(name="Their project")
    ProviderKeyFactory(application=other, verdict="dead")
    assert "Their project" not in client_of(viewer).get("/").content.decode()


def test_the_worst_comes_first(application: Application) -> None:
    for verdict in ("limited", "dead", "exhausted"):
        ProviderKeyFactory(application=application, verdict=verdict)
    levels = [alert.level for alert in attention.alerts([application])]
    assert levels == ["danger", "warning", "warning"]


def test_the_steps_tick_themselves_off_and_then_go(
    client_of: ClientOf,
    owner: User,
    developer: User,
    provider_key: ProviderKey,
    app_key: AppKey,
) -> None:
    client = client_of(owner)
    assert "3 of 5 done" in client.get("/").content.decode()
    client.post(page_of(app_key, "copy"), {"form": "value"})
    page = client.get("/").content.decode()
    assert "4 of 5 done" in page
    assert page.index("Needs attention") < page.index("What to do next")
    assert page.index("What to do next") < page.index("/usage/overview/")
    AppKey.objects.update(last_used_at=timezone.now())
    assert "What to do next" not in client.get("/").content.decode()


def _steps(application: Application) -> dict[str, bool]:
    return {step.title: step.done for step in attention.steps([application])}


def test_the_demo_does_not_tick_anything_off(admin: User) -> None:
    demo = lifecycle.create_application(Actor(admin, DEMO), name="Demo")
    ProviderKeyFactory(application=demo, provider="sandbox")
    AppKeyFactory(application=demo, last_used_at=timezone.now())
    steps = _steps(demo)
    assert not steps["Connect a provider"]
    assert not steps["Make the first call"]


def test_the_sandbox_in_an_application_of_ones_own_ticks_the_steps_off(
    application: Application,
) -> None:
    ProviderKeyFactory(application=application, provider="sandbox")
    AppKeyFactory(application=application, last_used_at=timezone.now())
    steps = _steps(application)
    assert steps["Connect a provider"]
    assert steps["Make the first call"]
