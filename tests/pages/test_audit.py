"""The audit page: owners see their applications, developers their own acts, viewers nothing."""

from collections.abc import Callable

import pytest
from django.db import transaction
from django.test import Client

from keys import audit
from keys.audit import Action, Actor
from keys.models import Application, User
from tests.factories import ApplicationFactory

ClientOf = Callable[..., Client]


@pytest.fixture(autouse=True)
def events(application: Application, owner: User, developer: User) -> None:
    other = ApplicationFactory(slug="other")
    with transaction.atomic():
        for user, target in ((owner, "app_key:ofTheOwner12"), (developer, "app_key:ofDeveloper1")):
            audit.record(Actor.person(user), Action.APP_KEY_CREATED, target, application)
        audit.record(Actor.system("x"), Action.KEY_REVOKED, "app_key:ofAnother123", other)


@pytest.mark.parametrize(
    ("role", "seen"),
    [
        ("owner", {"ofTheOwner12", "ofDeveloper1"}),
        ("developer", {"ofDeveloper1"}),
        ("viewer", set()),
        ("outsider", set()),
        ("admin", {"ofTheOwner12", "ofDeveloper1", "ofAnother123"}),
    ],
)
def test_each_role_sees_its_part(
    role: str, seen: set[str], request: pytest.FixtureRequest, client_of: ClientOf
) -> None:
    page = client_of(request.getfixturevalue(role)).get("/audit/").content.decode()
    every = {"ofTheOwner12", "ofDeveloper1", "ofAnother123"}
    assert {id for id in every if f":{id}" in page} == seen


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("application=shop", 2),
        ("application=other", 1),
        ("action=key.revoked", 1),
        ("who=developer", 1),
        ("target=ofTheOwner12", 1),
        ("until=2001-01-01", 0),
        ("since=2001-01-01", 3),
        ("since=not-a-day&until=2001-02-31", 3),
        ("page=99", 3),
    ],
)
def test_filters_narrow_it_and_nonsense_is_ignored(
    query: str, seen: int, client_of: ClientOf, admin: User
) -> None:
    answer = client_of(admin).get(f"/audit/?{query}")
    assert len(answer.context["events"]) == seen
