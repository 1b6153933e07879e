"""Providers over REST: everybody looks, a site admin describes custom ones."""

import pytest

from keys.providers import get
from tests.outbound import spellings

pytestmark = pytest.mark.django_db
ACME = {
    "slug": "acme",
    "name": "Acme",
    "base_url": "https://api.acme.example",
    "credential": {"in": "header", "name": "X-Acme-Key"},
    "probe": {"method": "GET", "path": "/v1/me"},
}


def test_the_built_in_ones_are_listed(rest, viewer):
    rows = {row["slug"]: row for row in rest(viewer).get("/providers").json["items"]}

    assert {"modelslab", "openai", "anthropic"} <= rows.keys()
    assert rows["modelslab"]["custom"] is False
    assert rows["modelslab"]["checkable"] is True


def test_a_custom_one_is_added(rest, admin, viewer):
    answer = rest(admin).post("/providers", ACME)

    assert answer.status == 201, answer.text
    assert answer.json["slug"] == "acme"
    rows = {row["slug"]: row for row in rest(viewer).get("/providers").json["items"]}
    assert rows["acme"]["custom"] is True
    assert rows["acme"]["base_url"] == "https://api.acme.example"


def test_the_probe_is_optional(rest, admin):
    body = {name: value for name, value in ACME.items() if name != "probe"}
    body["credential"] = {"in": "bearer"}

    assert rest(admin).post("/providers", body).json["checkable"] is False


@pytest.mark.parametrize("slug", ["acme", "modelslab"])
def test_a_taken_slug_is_a_conflict(rest, admin, slug):
    client = rest(admin)
    client.post("/providers", ACME)
    assert client.post("/providers", {**ACME, "slug": slug, "name": "Again"}).status == 409


def test_a_fault_deep_inside_is_named_as_it_was_sent(rest, admin):
    answer = rest(admin).post("/providers", {**ACME, "credential": {"in": "header", "name": ""}})
    assert (answer.status, answer.json["error"]["field"]) == (422, "credential.name")


def test_a_credential_stands_behind_its_prefix(rest, admin):
    body = {**ACME, "credential": {"in": "header", "name": "Authorization", "prefix": "Token"}}
    assert rest(admin).post("/providers", body).status == 201
    assert get("acme").prefix == "Token "
    body["credential"] = {"in": "query", "name": "key", "prefix": "Token"}
    answer = rest(admin).post("/providers", {**body, "slug": "other"})
    assert (answer.status, answer.json["error"]["field"]) == (422, "credential.prefix")


def test_a_list_is_walked_by_cursor(rest, admin):
    client = rest(admin)
    client.post("/providers", ACME)
    slugs, cursor = [], {}
    while True:
        page = client.get("/providers", limit=2, **cursor).json
        slugs += [row["slug"] for row in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}

    assert slugs == sorted(set(slugs))
    assert {"acme", "anthropic", "modelslab", "openai"} <= set(slugs)


def test_a_custom_one_moves(rest, admin, owner):
    rest(admin).post("/providers", ACME)
    moved = {"base_url": "https://api2.acme.example"}

    assert rest(owner).call("PATCH", "/providers/acme", moved).status == 403
    assert rest(admin, scopes=["read"]).call("PATCH", "/providers/acme", moved).status == 403
    assert rest(admin).call("PATCH", "/providers/acme", moved).json["base_url"] == moved["base_url"]
    assert rest(admin).call("PATCH", "/providers/nobody", moved).status == 404
    assert rest(admin).call("PATCH", "/providers/openai", moved).status == 409
    assert rest(admin).call("PATCH", "/providers/acme", {"base_url": "x"}).status == 422


def test_a_private_address_is_refused_by_its_field_when_added_and_when_moved(rest, admin):
    client = rest(admin)
    assert client.post("/providers", ACME).status == 201
    hosts = [texts[0] for texts in spellings.LITERALS.values()] + ["localhost", "１２７.0.0.1"]
    for host in hosts:
        given = {**ACME, "slug": "evil", "name": "Evil", "base_url": f"https://{host}"}
        for answer in (
            client.post("/providers", given),
            client.call("PATCH", "/providers/acme", {"base_url": f"https://{host}"}),
        ):
            assert (answer.status, answer.json["error"]["field"]) == (422, "base_url"), host
    rows = {row["slug"]: row for row in client.get("/providers").json["items"]}
    assert "evil" not in rows
    assert rows["acme"]["base_url"] == ACME["base_url"]
