"""Rotation over REST: an unclear test accepted on purpose, one secret rotated everywhere."""

import pytest

from keys.models import AuditEvent
from keys.states import Role
from tests.factories import ApplicationFactory, MembershipFactory, ProviderKeyFactory
from tests.rest.conftest import SECRET

pytestmark = pytest.mark.django_db
GOOD = {"status": "success", "data": {"balance": 12.5, "currency": "USD"}}
NEW = {"secret": "ml-new-0123456789-wxyz"}


@pytest.fixture
def path(provider_key):
    return f"/applications/shop/provider-keys/{provider_key.id}/rotate"


@pytest.fixture
def twin(owner):
    blog = ApplicationFactory(slug="blog")
    MembershipFactory(application=blog, user=owner, role=Role.OWNER)
    return ProviderKeyFactory(application=blog, name="Copy", secret=SECRET)


def stages(answer):
    return [(row["number"], row["stage"]) for row in answer.json["versions"]]


def test_without_an_answer_of_the_provider_it_waits(rest, owner, allow_upstream, path):
    allow_upstream.answer(503, "down")
    assert stages(rest(owner).post(path, NEW)) == [(2, "pending"), (1, "current")]


def test_it_is_used_all_the_same_when_that_is_accepted_and_audited(
    rest, owner, allow_upstream, path
):
    allow_upstream.answer(503, "down")
    answer = rest(owner).post(path, {**NEW, "accept_untested": True})
    assert (answer.status, stages(answer)) == (200, [(2, "current"), (1, "previous")])
    detail = AuditEvent.objects.get(action="rotation.promoted").detail
    assert (detail["on_purpose"], detail["tested"]) == (True, False)


def test_a_refusal_is_not_accepted(rest, owner, allow_upstream, path):
    allow_upstream.answer(401, {"status": "error", "message": "Invalid API key"})
    assert rest(owner).post(path, {**NEW, "accept_untested": True}).status == 422


def test_everywhere_rotates_what_one_may_and_says_what(rest, owner, allow_upstream, path, twin):
    allow_upstream.answer(200, GOOD)
    foreign = ProviderKeyFactory(application=ApplicationFactory(), secret=SECRET)
    answer = rest(owner).post(path, {**NEW, "everywhere": True})
    assert answer.json["elsewhere"] == [
        {"application": "blog", "id": twin.id, "name": "Copy", "refused": None}
    ]
    assert twin.versions.get(stage="current").number == 2
    assert foreign.versions.get(stage="current").number == 1


def test_one_that_is_not_rotated_says_why(rest, owner, allow_upstream, path, twin):
    allow_upstream.answer(503, "down")
    found = rest(owner).post(path, {**NEW, "everywhere": True}).json["elsewhere"]
    assert "waits" in found[0]["refused"]


def test_without_it_the_others_stay(rest, owner, allow_upstream, path, twin):
    allow_upstream.answer(200, GOOD)
    assert rest(owner).post(path, NEW).json["elsewhere"] == []
    assert twin.versions.get(stage="current").number == 1


def test_both_are_documented(rest, owner):
    document = rest(owner).get("/openapi.json").json
    fields = document["components"]["schemas"]["RotateProviderKey"]["properties"]
    assert {"accept_untested", "everywhere"} <= fields.keys()
