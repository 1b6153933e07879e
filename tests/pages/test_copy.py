"""One click copies an app key: audited, by those who may, and nothing is in the page before."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from keys.models import AppKey, Application, AuditEvent, ProviderKey, User
from tests.pages.conftest import page_of

ClientOf = Callable[..., Client]


def test_the_page_shows_snippets_with_a_masked_key_and_no_secret(
    client_of: ClientOf, developer: User, app_key: AppKey, provider_key: ProviderKey
) -> None:
    source = client_of(developer).get(page_of(app_key)).content.decode()
    assert "text2img" in source
    assert "package main" in source
    assert "export MODELSLAB_API_KEY=" in source
    assert app_key.plaintext[:-4] not in source
    assert app_key.plaintext.rsplit("_", 1)[1] not in source


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("value", "{key}"),
        ("export", "export MODELSLAB_API_KEY='{key}'"),
        ("dotenv", "MODELSLAB_API_KEY={key}"),
    ],
)
def test_a_click_answers_the_text_uncached_and_writes_the_audit(
    form: str,
    expected: str,
    client_of: ClientOf,
    developer: User,
    app_key: AppKey,
    provider_key: ProviderKey,
) -> None:
    answer = client_of(developer).post(
        page_of(app_key, "copy"), {"form": form, "provider": "modelslab"}
    )
    assert answer.json() == {"text": expected.format(key=app_key.plaintext)}
    assert answer["Cache-Control"] == "no-store"
    event = AuditEvent.objects.get(action="app_key.copied")
    assert (event.actor, event.target) == (developer, f"app_key:{app_key.pk}")
    assert app_key.plaintext not in str(event.detail)


@pytest.mark.parametrize("language", ["curl", "python", "javascript", "php", "go"])
def test_a_snippet_is_copied_with_the_key_inside(
    language: str, client_of: ClientOf, developer: User, app_key: AppKey
) -> None:
    answer = client_of(developer).post(
        page_of(app_key, "copy"), {"form": language, "provider": "modelslab"}
    )
    assert app_key.plaintext in answer.json()["text"]


def test_something_unknown_is_refused_without_an_audit_row(
    client_of: ClientOf, developer: User, app_key: AppKey
) -> None:
    client = client_of(developer)
    for data in ({"form": "cobol", "provider": "modelslab"}, {"form": "go", "provider": "none"}):
        assert client.post(page_of(app_key, "copy"), data).status_code == 422
    assert not AuditEvent.objects.filter(action="app_key.copied").exists()


def test_a_viewer_may_not_and_sees_no_button(
    client_of: ClientOf, viewer: User, app_key: AppKey, provider_key: ProviderKey
) -> None:
    client = client_of(viewer)
    assert client.post(page_of(app_key, "copy"), {"form": "value"}).status_code == 403
    assert "Copy the key" not in client.get(page_of(app_key)).content.decode()


def test_an_outsider_learns_nothing(client_of: ClientOf, outsider: User, app_key: AppKey) -> None:
    url = reverse("app_key_copy", args=["shop", app_key.pk])
    assert client_of(outsider).post(url, {"form": "value"}).status_code == 404


def test_copying_is_a_post_with_a_csrf_token(
    client_of: ClientOf, developer: User, app_key: AppKey
) -> None:
    client = client_of(developer)
    assert client.get(page_of(app_key, "copy")).status_code == 405
    client.handler.enforce_csrf_checks = True
    assert client.post(page_of(app_key, "copy"), {"form": "value"}).status_code == 403


def test_an_application_that_shows_keys_once_says_so(
    client_of: ClientOf, developer: User, app_key: AppKey, application: Application
) -> None:
    app_key.versions.update(sealed="")
    answer = client_of(developer).post(page_of(app_key, "copy"), {"form": "value"})
    assert answer.status_code == 409
    assert "once" in answer.json()["message"]
