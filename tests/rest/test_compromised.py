"""A secret that got out, over REST."""

import pytest

from tests.rest.conftest import SECRET

pytestmark = pytest.mark.django_db
GOOD = {"status": "success", "data": {"balance": 12.5, "currency": "USD"}}
NEW = "ml-new-0123456789-wxyz"
REASON = {"reason": "pasted into a chat"}


@pytest.fixture
def path(provider_key):
    return f"/applications/shop/provider-keys/{provider_key.id}/compromised"


@pytest.fixture
def app_path(app_key):
    return f"/applications/shop/app-keys/{app_key.id}/compromised"


def test_a_provider_key_goes_on_with_the_new_secret_alone(rest, owner, allow_upstream, path):
    allow_upstream.answer(200, GOOD)

    answer = rest(owner).post(path, {**REASON, "secret": NEW})

    assert answer.status == 200
    assert (answer.json["state"], answer.json["verdict"]) == ("active", "live")
    assert [row["stage"] for row in answer.json["versions"]] == ["current", "retired"]
    assert NEW not in answer.text


def test_without_one_it_is_revoked(rest, owner, path):
    assert rest(owner).post(path, REASON).json["state"] == "revoked"
    assert rest(owner).post(path, REASON).status == 409


@pytest.mark.parametrize(
    ("body", "field"), [({}, "reason"), ({"reason": ""}, "reason"), ({**REASON, "secret": SECRET},
    "secret")],
)  # fmt: skip
def test_what_is_wrong_is_named_and_nothing_ended(rest, owner, path, provider_key, body, field):
    answer = rest(owner).post(path, body)
    assert (answer.status, field in answer.text) == (422, True)
    provider_key.refresh_from_db()
    assert provider_key.versions.get().stage == "current"


def test_an_app_key_is_revoked_or_handed_out_anew(rest, owner, app_path):
    replaced = rest(owner).post(app_path, {**REASON, "replace": True})
    assert replaced.status == 200
    assert replaced.json["key"].startswith("kd_live_")
    assert [row["stage"] for row in replaced.json["versions"]] == ["current", "retired"]

    ended = rest(owner).post(app_path, REASON)
    assert (ended.json["state"], ended.json["key"]) == ("revoked", None)


@pytest.mark.parametrize("which", ["path", "app_path"])
def test_it_takes_the_scope_for_secrets(rest, owner, which, request):
    client = rest(owner, scopes=["read", "manage"])
    assert client.post(request.getfixturevalue(which), REASON).status == 403
