"""The page of one call."""

import uuid
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from keys.models import AppKey, ProviderKey, User
from tests.pages_usage.conftest import Call
from usage.events import Outcome, Source

pytestmark = pytest.mark.django_db
SignIn = Callable[..., Client]


def test_it_tells_everything_that_was_recorded(
    client_of: SignIn, viewer: User, call: Call, app_key: AppKey, provider_key: ProviderKey
) -> None:
    event = call(
        outcome=Outcome.KEY_ERROR,
        code="key_exhausted",
        message="Insufficient credits",
        status=402,
        app_key_version=2,
        provider_key_version=3,
        latency_ms=1234.0,
        tokens_in=1500,
        tokens_out=7,
        address="203.0.113.9",
        user_agent="modelslab-py",
        attempts=2,
    )
    page = client_of(viewer).get(reverse("call", args=[event.id])).text
    for words in (
        event.id,
        "Key error",
        "HTTP 402",
        "fault: provider key",
        "Insufficient credits",
        "Add credits at the provider",
        "App key, version 2",
        "Provider key, version 3",
        reverse("app_key", args=["shop", app_key.id]),
        reverse("provider_key", args=["shop", provider_key.id]),
        "1.23 s",
        "1,500 in, 7 out",
        "203.0.113.9",
        "modelslab-py",
    ):
        assert words in page, words


def test_a_call_of_the_wrapper_names_its_caller(
    client_of: SignIn, viewer: User, call: Call
) -> None:
    event = call(source=Source.WRAPPER, app_key="", caller="nightly-batch")
    page = client_of(viewer).get(reverse("call", args=[event.id])).text
    assert "nightly-batch" in page


def test_the_history_outlives_the_keys(
    client_of: SignIn, admin: User, call: Call, app_key: AppKey
) -> None:
    event = call()
    app_key.application.delete()
    page = client_of(admin).get(reverse("call", args=[event.id])).text
    assert event.app_key in page


def test_outsiders_and_unknown_ids_get_404(
    client_of: SignIn, outsider: User, viewer: User, call: Call
) -> None:
    event = call()
    assert client_of(outsider).get(reverse("call", args=[event.id])).status_code == 404
    assert client_of(viewer).get(reverse("call", args=[uuid.uuid4()])).status_code == 404


def test_it_costs_few_queries(
    client_of: SignIn, viewer: User, call: Call, django_assert_num_queries: Callable[..., object]
) -> None:
    event = call()
    client = client_of(viewer)
    # session, user, applications, the call, three of names, the banner
    with django_assert_num_queries(9):
        client.get(reverse("call", args=[event.id]))


def test_it_tells_what_was_decided_one_after_the_other(
    client_of: SignIn, viewer: User, call: Call, app_key: AppKey
) -> None:
    event = call(outcome=Outcome.DENIED, code="quota_exceeded", message="Daily", provider_key="")
    page = client_of(viewer).get(reverse("call", args=[event.id])).text
    chain = page[page.index("What was decided") :]
    at = [chain.index(step) for step in ("App key", "State", "Policy", "Limits")]
    assert at == sorted(at)
    assert chain.count("passed:") == 3


def test_a_cost_is_shown_where_the_provider_reported_one(
    client_of: SignIn, viewer: User, call: Call
) -> None:
    client = client_of(viewer)
    told, silent = call(cost_nanos=15_230), call()
    assert "$0.0000152, as the provider reported it" in client.get(f"/calls/{told.id}/").text
    assert "as the provider reported it" not in client.get(f"/calls/{silent.id}/").text


def test_the_provider_goes_by_its_name(client_of: SignIn, viewer: User, call: Call) -> None:
    event = call(provider="modelslab")
    page = client_of(viewer).get(reverse("call", args=[event.id])).text
    assert "<small>Provider</small>ModelsLab" in page
    assert "<strong>ModelsLab</strong>" in page  # who answered, among the decisions
    assert "<strong>modelslab</strong>" not in page
