"""REST: one act on many keys."""

import pytest

from keys import lifecycle
from keys.models import AppKey
from tests.factories import ApiTokenFactory, AppKeyFactory, ApplicationFactory

PATH = "/applications/shop/batches"


@pytest.fixture
def keys(application):
    return [AppKeyFactory(application=application).pk for _ in range(3)]


def test_it_is_started_looked_at_and_done(rest, owner, keys):
    client = rest(owner)
    body = {"kind": "app_key", "act": "tag", "keys": keys, "argument": "prod"}
    started = client.post(PATH, body)
    assert (started.status, started.json["done"], started.json["total"]) == (202, 0, 3)

    lifecycle.run_batches(60)
    told = client.get(f"{PATH}/{started.json['id']}").json
    assert (told["done"], told["refused_keys"]) == (3, [])
    assert told["ended_at"] is not None
    assert set(AppKey.objects.values_list("tags", flat=True)) == {" prod "}


def test_a_refusal_is_named(rest, owner, keys):
    AppKey.objects.filter(pk=keys[0]).update(state="revoked")
    client = rest(owner)
    started = client.post(PATH, {"kind": "app_key", "act": "disable", "keys": keys})
    lifecycle.run_batches(60)

    (refused,) = client.get(f"{PATH}/{started.json['id']}").json["refused_keys"]
    assert refused["id"] == keys[0]
    assert "revoked" in refused["why"]


def test_it_is_stopped(rest, owner, keys):
    client = rest(owner)
    started = client.post(PATH, {"kind": "app_key", "act": "disable", "keys": keys})
    stopped = client.post(f"{PATH}/{started.json['id']}/stop")

    assert stopped.json["stopped"]
    assert lifecycle.run_batches(60) == 0
    assert client.post(f"{PATH}/{started.json['id']}/stop").status == 409
    assert set(AppKey.objects.values_list("state", flat=True)) == {"active"}


@pytest.mark.parametrize("act", ["revoke", "rotate"])
def test_what_needs_the_scope_secrets_for_one_needs_it_for_many(rest, owner, keys, act):
    token = ApiTokenFactory(user=owner, scopes=["read", "manage"]).plaintext
    client = type(rest(owner))(token)
    body = {"kind": "app_key", "act": act, "keys": keys, "argument": "60"}

    assert client.post(PATH, body).json["error"]["code"] == "scope_missing"


def test_a_developer_rotates_and_does_not_revoke(rest, developer, keys):
    client = rest(developer)
    rotate = {"kind": "app_key", "act": "rotate", "keys": keys, "argument": "60"}

    assert client.post(PATH, rotate).status == 202
    assert client.post(PATH, {"kind": "app_key", "act": "revoke", "keys": keys}).status == 403


def test_keys_and_batches_of_another_application_are_not_there(rest, owner, keys):
    foreign = AppKeyFactory(application=ApplicationFactory()).pk
    client = rest(owner)
    body = {"kind": "app_key", "act": "disable", "keys": [*keys, foreign]}

    assert client.post(PATH, body).status == 422
    assert client.get(f"{PATH}/xxxxxxxxxxxx").status == 404
