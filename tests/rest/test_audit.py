"""The audit over REST: who sees which events, and the chain's check."""

import pytest
from django.db import transaction

from keys import audit, lifecycle
from keys.audit import Action, Actor, writing
from keys.models import AuditEvent, AuditHead

pytestmark = pytest.mark.django_db


@pytest.fixture
def acts(rest, owner, developer, app_key, provider_key):
    """Two acts of the owner and one of the developer in shop, one elsewhere."""
    path = f"/applications/shop/app-keys/{app_key.id}"
    rest(owner).post(f"{path}/disable")
    rest(owner).post(f"{path}/enable")
    rest(developer).post(f"{path}/reveal")
    return path


def actions(answer):
    return [event["action"] for event in answer.json["items"]]


def test_an_owner_sees_all_of_the_application_newest_first(rest, owner, acts, app_key):
    answer = rest(owner).get("/audit", application="shop")

    assert actions(answer) == ["app_key.copied", "key.enabled", "key.disabled"]
    newest = answer.json["items"][0]
    assert newest["actor"] == "developer@example.com"
    assert newest["application"] == "shop"
    assert newest["target"] == f"app_key:{app_key.id}"
    assert newest["at"].endswith("Z")
    assert app_key.plaintext not in answer.text


def test_a_developer_sees_their_own_acts(rest, developer, acts):
    assert actions(rest(developer).get("/audit", application="shop")) == ["app_key.copied"]
    assert actions(rest(developer).get("/audit")) == ["app_key.copied"]


def test_a_viewer_sees_none(rest, viewer, acts):
    assert rest(viewer).get("/audit", application="shop").status == 403
    assert actions(rest(viewer).get("/audit")) == []


def test_without_a_filter_one_sees_what_one_owns_an_admin_all(rest, owner, outsider, admin, acts):
    rest(outsider).post("/applications", {"name": "Other"})

    assert "application.created" not in actions(rest(owner).get("/audit"))
    assert actions(rest(admin).get("/audit"))[0] == "application.created"
    assert actions(rest(outsider).get("/audit")) == ["application.created"]


def test_it_is_walked_by_cursor(rest, owner, acts):
    client = rest(owner)
    first = client.get("/audit", limit=2).json
    second = client.get("/audit", limit=2, cursor=first["next"]).json

    seen = [event["id"] for event in first["items"] + second["items"]]
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 3
    assert second["next"] is None


def test_the_chain_verifies_until_a_row_is_changed(rest, admin, acts):
    client = rest(admin)
    assert client.get("/audit/verify").json == {"ok": True, "events": 3, "broken_at": None}

    event = AuditEvent.objects.order_by("id")[1]
    AuditEvent.objects.filter(pk=event.pk).update(actor_name="somebody@example.com")
    broken = client.get("/audit/verify").json
    assert broken["ok"] is False
    assert broken["broken_at"] == event.pk


def test_the_cost_does_not_grow_with_the_events(rest, owner, acts, django_assert_num_queries):
    client = rest(owner)
    client.get("/audit")
    for _ in range(2):
        with django_assert_num_queries(3):  # the token, the events, the applications' slugs
            client.get("/audit")
        client.post(f"{acts}/disable")
        client.post(f"{acts}/enable")


@pytest.mark.parametrize("role", ["owner", "developer", "viewer", "outsider", "admin"])
def test_the_page_shows_the_same_events(role, request, rest, client_of, acts):
    user = request.getfixturevalue(role)
    for person in ("owner", "developer", "viewer", "outsider"):
        person = request.getfixturevalue(person)
        lifecycle.issue_token(Actor.person(person), person, name="ci")

    listed = [event["id"] for event in rest(user).get("/audit").json["items"]]
    page = client_of(user).get("/audit/")
    assert [event.pk for event, _ in page.context["events"]] == listed
    assert len(listed) == {"owner": 4, "developer": 2, "admin": 7}.get(role, 1)


def test_the_token_that_was_used_is_named(rest, owner, app_key):
    rest(owner, name="ci").post(f"/applications/shop/app-keys/{app_key.id}/disable")

    event = rest(owner).get("/audit").json["items"][0]
    assert event["actor"] == owner.email
    assert event["detail"]["api_token"] == "ci"


def test_a_database_put_back_is_found_by_an_anchor_kept_elsewhere(rest, admin, application):
    client = rest(admin)
    with transaction.atomic():
        audit.record(Actor.person(admin), Action.KEY_REVOKED, "app_key:x", application)
    kept = client.get("/audit/anchor").json
    assert client.post("/audit/verify", kept).json["ok"] is True
    head = AuditHead.objects.get()
    last = AuditEvent.objects.last()
    before = AuditEvent.objects.filter(pk__lt=last.pk).last()
    last.delete()
    head.events, head.digest = head.events - 1, before.digest if before else ""
    writing.seal_head(head)  # as it was sealed then
    head.save()

    assert client.get("/audit/verify").json["ok"] is True
    assert client.post("/audit/verify", kept).json["ok"] is False
    forged = client.post("/audit/verify", kept | {"events": 1, "digest": "0"})
    assert (forged.status, "SECRET_KEY" in forged.json["message"]) == (422, True)
