"""Rotating an application's data key in a browser: the owner, freshly signed in, once at a time."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from keys import tasks
from keys.models import Application, User

ClientOf = Callable[..., Client]


@pytest.fixture
def url(application: Application) -> str:
    return reverse("data_key_rotate", args=[application.slug])


def test_the_owner_rotates_it_and_the_worker_moves_the_secrets_over(
    client_of: ClientOf, owner: User, application: Application, url: str
) -> None:
    client = client_of(owner)
    people = reverse("application_people", args=[application.slug])
    assert url in client.get(people).content.decode()
    answer = client.post(url, follow=True)
    assert "There is a new data key." in answer.content.decode()
    assert "Version 2 seals now; what is under version 1 is being moved over." in (
        client.get(people).content.decode()
    )
    again = client.post(url)
    assert (again.status_code, "being rotated already" in again.content.decode()) == (422, True)
    tasks.rotate_data_keys()
    assert "Version 2, made" in client.get(people).content.decode()


def test_it_asks_for_a_fresh_sign_in(client_of: ClientOf, owner: User, url: str) -> None:
    client = client_of(owner, fresh=False)
    assert client.get(url).headers["Location"].startswith("/accounts/reauthenticate/")
    assert client.post(url).status_code == 422


def test_others_may_not(
    client_of: ClientOf, developer: User, viewer: User, outsider: User, url: str
) -> None:
    for user, status in ((developer, 403), (viewer, 403), (outsider, 404)):
        assert client_of(user).get(url).status_code == status
        assert client_of(user).post(url).status_code == status
