"""What somebody who left has still, over REST: listed as on the page, dismissed with a reason."""

import pytest

from keys import lifecycle
from keys.audit import Action, Actor
from keys.models import AuditEvent

pytestmark = pytest.mark.django_db
QUEUE = "/applications/shop/to-rotate"
REASON = {"reason": "moved to another team"}


@pytest.fixture
def left(actor, developer, app_key, provider_key):
    """The developer has seen both keys, and leaves."""
    mine = Actor.person(developer)
    lifecycle.copy_app_key(mine, app_key)
    lifecycle.reveal_provider_key(mine, provider_key, reason="debugging")
    lifecycle.remove_member(actor, developer.memberships.get())


def test_each_key_is_listed_with_who_left_and_what_they_have(rest, owner, left, app_key):
    answer = rest(owner).get(QUEUE)

    assert (answer.status, answer.json["next"]) == (200, None)
    rows = {row["kind"]: row for row in answer.json["items"]}
    assert rows.keys() == {"app_key", "provider_key"}
    row = rows["app_key"]
    assert (row["key_id"], row["name"], row["versions"]) == (app_key.id, "Backend", [1])
    assert row["seen_by"] == "developer@example.com"
    assert row["left_at"].endswith("Z")


def test_the_list_is_walked_by_cursor_and_takes_no_other(rest, owner, left):
    client = rest(owner)
    first = client.get(QUEUE, limit=1).json
    second = client.get(QUEUE, limit=1, cursor=first["next"]).json

    assert {first["items"][0]["kind"], second["items"][0]["kind"]} == {"app_key", "provider_key"}
    assert second["next"] is None
    assert client.get(QUEUE, cursor="Zm9v").json["error"]["field"] == "cursor"


def test_a_key_that_was_rotated_is_off_the_list(rest, owner, left, provider_key, actor):
    lifecycle.revoke(actor, provider_key)
    assert [row["kind"] for row in rest(owner).get(QUEUE).json["items"]] == ["app_key"]


def test_a_row_is_dismissed_once_with_a_reason_that_is_audited(rest, owner, left, app_key):
    client = rest(owner)
    rows = {row["kind"]: row["id"] for row in client.get(QUEUE).json["items"]}
    path = f"{QUEUE}/{rows['app_key']}/dismiss"

    for body in ({}, {"reason": " "}):
        refused = client.post(path, body)
        assert (refused.status, refused.json["error"]["field"]) == (422, "reason")
    assert client.post(path, REASON).status == 204
    assert [row["kind"] for row in client.get(QUEUE).json["items"]] == ["provider_key"]
    event = AuditEvent.objects.get(action=Action.ROTATION_DISMISSED)
    assert (event.target, event.detail["reason"]) == (f"app_key:{app_key.id}", REASON["reason"])
    assert client.post(path, REASON).status == 404


def test_who_left_is_told_to_owners_alone_as_on_the_page(rest, owner, viewer, outsider, left):
    path = f"{QUEUE}/{rest(owner).get(QUEUE).json['items'][0]['id']}/dismiss"

    for client, status in ((rest(viewer), 403), (rest(outsider), 404)):
        assert (client.get(QUEUE).status, client.post(path, REASON).status) == (status, status)
    assert rest(owner, scopes=["read"]).post(path, REASON).status == 403
