"""A provider without a free request to test with: no page promises a test."""

from collections.abc import Callable

import pytest
from django.test import Client

from keys import lifecycle
from keys.audit import Actor
from keys.models import Application, ProviderKey, User
from keys.states import Stage
from tests.factories import ProviderKeyFactory, add_version
from tests.pages.conftest import page_of
from tests.upstream import Upstream

ClientOf = Callable[..., Client]


@pytest.fixture
def blind_key(application: Application) -> ProviderKey:
    """A key of a provider that can't be asked for free."""
    lifecycle.create_custom_provider(
        Actor.system("test"),
        slug="blind",
        name="Blind",
        base_url="https://blind.example.com",
        credential_in="bearer",
    )
    return ProviderKeyFactory(application=application, provider="blind", name="Blind account")


def test_a_rotation_waits_for_ones_word_and_every_page_says_so(
    client_of: ClientOf, owner: User, blind_key: ProviderKey
) -> None:
    client = client_of(owner)
    form = client.get(page_of(blind_key, "rotate")).content.decode()
    assert "Blind has no free request to test it with" in form
    assert "Test and rotate" not in form
    assert "Tested first" not in form

    data = {"secret": "the-second-blind-secret", "overlap": "0"}
    page = client.post(page_of(blind_key, "rotate"), data, follow=True).content.decode()
    assert "Use the new one untested, or drop it." in page
    assert "Blind has no free request to test it with, so it waits for your word" in page
    assert "The test" not in page

    question = client.get(page_of(blind_key, "finish")).content.decode()
    assert "untested: Blind has no free request" in question
    assert "Use it untested" in question


def test_a_provider_that_can_be_asked_is(
    client_of: ClientOf, owner: User, allow_upstream: Upstream, provider_key: ProviderKey
) -> None:
    client = client_of(owner)
    assert "Test and rotate" in client.get(page_of(provider_key, "rotate")).content.decode()
    allow_upstream.answer(503, "down")
    data = {"secret": "the-second-secret-of-it", "overlap": "0"}
    page = client.post(page_of(provider_key, "rotate"), data, follow=True).content.decode()
    assert "The test gave no clear answer" in page
    question = client.get(page_of(provider_key, "finish")).content.decode()
    assert "no test says that it works" in question


@pytest.mark.parametrize("url", ["/connect/", "/applications/shop/provider-keys/new/"])
def test_a_form_that_lets_one_choose_the_provider_says_both(
    url: str, client_of: ClientOf, owner: User
) -> None:
    page = client_of(owner).get(url).content.decode()
    assert "where the provider can be asked for free; else the first call tells" in page


def test_the_button_that_closes_a_question_does_not_sound_like_its_act(
    client_of: ClientOf, owner: User, provider_key: ProviderKey
) -> None:
    add_version(provider_key, "the-one-from-before", number=2, stage=Stage.PREVIOUS)
    for headers in ({}, {"HX-Request": "true"}):
        page = client_of(owner).get(page_of(provider_key, "cancel"), headers=headers)
        text = page.content.decode()
        assert ">Not now</a>" in text
        assert ">Go back to the old one</button>" in text
        assert ">Cancel</a>" not in text


def test_a_version_that_was_dropped_is_told_from_one_that_was_refused(
    client_of: ClientOf, viewer: User, provider_key: ProviderKey
) -> None:
    failed = {"stage": Stage.FAILED, "promoted_at": None}
    add_version(provider_key, "dropped-untested", number=2, **failed)
    unclear = {"meaning": "unknown", "message": "down"}
    add_version(provider_key, "dropped-unclear", number=3, evidence=unclear, **failed)
    add_version(provider_key, "refused-by-it", number=4, evidence={"meaning": "dead"}, **failed)
    page = client_of(viewer).get(page_of(provider_key)).content.decode()
    assert page.count("</svg>dropped</span>") == 2
    assert page.count("</svg>failed</span>") == 1
