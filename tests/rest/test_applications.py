"""Applications and members: create, list, look, change, remove."""

import pytest

from keys.models import AppKey, Application, Membership, User
from tests.factories import ApplicationFactory, MembershipFactory

pytestmark = pytest.mark.django_db


def test_whoever_creates_an_application_owns_it(rest, outsider):
    answer = rest(outsider).post("/applications", {"name": "Web Shop"})

    assert answer.status == 201
    assert (answer.json["slug"], answer.json["name"]) == ("web-shop", "Web Shop")
    assert Membership.objects.get(application__slug="web-shop").user == outsider


def test_a_slug_may_be_chosen(rest, owner):
    answer = rest(owner).post("/applications", {"name": "Web Shop", "slug": "ws-2"})
    assert answer.json["slug"] == "ws-2"


def test_a_taken_slug_is_a_conflict(rest, outsider, application):
    answer = rest(outsider).post("/applications", {"name": "Shop", "slug": "shop"})

    assert answer.status == 409
    assert answer.json["error"]["code"] == "conflict"


def test_one_sees_ones_own_applications_a_site_admin_all(rest, owner, admin):
    ApplicationFactory(slug="foreign")

    assert [row["slug"] for row in rest(owner).get("/applications").json["items"]] == ["shop"]
    assert [row["slug"] for row in rest(admin).get("/applications").json["items"]] == [
        "foreign",
        "shop",
    ]


def test_a_list_is_walked_by_cursor(rest, admin):
    for name in "edcba":
        ApplicationFactory(slug=name)
    client, seen, cursor = rest(admin), [], None
    for _ in range(3):
        page = client.get("/applications", limit=2, **({"cursor": cursor} if cursor else {})).json
        seen += [row["slug"] for row in page["items"]]
        cursor = page["next"]

    assert seen == ["a", "b", "c", "d", "e"]
    assert cursor is None


def test_times_are_utc_with_z(rest, owner):
    assert rest(owner).get("/applications/shop").json["created_at"].endswith("Z")


def test_a_deleted_application_takes_its_keys_along(rest, owner, app_key, provider_key):
    client = rest(owner)

    assert client.delete("/applications/shop").status == 204
    assert client.get("/applications/shop").status == 404
    assert not AppKey.objects.exists()


def test_the_policy_changes_by_the_field(rest, owner, application):
    answer = rest(owner).patch("/applications/shop", {"developers_copy_provider_keys": True})

    assert answer.json["developers_copy_provider_keys"] is True
    assert answer.json["show_app_keys_once"] is False
    application.refresh_from_db()
    assert application.developers_copy_provider_keys


def test_a_member_is_added_and_invited_where_unknown(rest, owner):
    answer = rest(owner).post(
        "/applications/shop/members", {"email": "New@Example.com", "role": "developer"}
    )

    assert (answer.status, answer.json) == (201, {"email": "new@example.com", "role": "developer"})
    assert not User.objects.get(email="new@example.com").has_usable_password()


def test_a_member_twice_is_a_conflict(rest, owner, viewer):
    answer = rest(owner).post(
        "/applications/shop/members", {"email": viewer.email, "role": "developer"}
    )
    assert answer.status == 409


def test_members_are_listed_by_address(rest, viewer, owner, developer):
    items = rest(viewer).get("/applications/shop/members").json["items"]

    assert items == [
        {"email": "developer@example.com", "role": "developer"},
        {"email": "owner@example.com", "role": "owner"},
        {"email": "viewer@example.com", "role": "viewer"},
    ]


def test_a_role_is_changed(rest, owner, viewer):
    answer = rest(owner).patch(
        "/applications/shop/members/Viewer@example.com", {"role": "developer"}
    )

    assert answer.json["role"] == "developer"
    assert Membership.objects.get(user=viewer).role == "developer"


def test_a_removed_member_sees_nothing_any_more(rest, owner, viewer):
    answer = rest(owner).delete("/applications/shop/members/viewer@example.com")

    assert (answer.status, answer.text) == (204, "")
    assert rest(viewer).get("/applications/shop").status == 404


def test_the_last_owner_stays(rest, owner):
    assert rest(owner).delete("/applications/shop/members/owner@example.com").status == 409
    assert (
        rest(owner).patch("/applications/shop/members/owner@example.com", {"role": "viewer"}).status
        == 409
    )


def test_a_stranger_to_the_application_is_no_member_to_remove(rest, owner, outsider):
    path = f"/applications/shop/members/{outsider.email}"
    assert rest(owner).delete(path).status == 404
    assert rest(owner).delete("/applications/shop/members/%00").status == 404


def test_lists_cost_the_same_whatever_they_hold(
    rest, owner, application, django_assert_num_queries
):
    client = rest(owner)
    client.get("/applications")
    with django_assert_num_queries(2):  # the token, the rows
        client.get("/applications")
    for _ in range(5):
        MembershipFactory(application=ApplicationFactory(), user=owner)
        MembershipFactory(application=application)
    with django_assert_num_queries(2):
        assert len(client.get("/applications").json["items"]) == 6
    with django_assert_num_queries(4):  # the token, the application, the role, the rows
        assert len(client.get("/applications/shop/members").json["items"]) == 6
    assert Application.objects.count() == 6


def test_head_answers_like_get(rest, owner, application):
    asked = rest(owner).call("GET", "/applications/shop")
    head = rest(owner).call("HEAD", "/applications/shop")

    assert head.status == asked.status == 200
    assert head.text == ""
    assert head.response["Content-Type"] == asked.response["Content-Type"]
    assert rest(owner).call("HEAD", "/applications/none").status == 404
