"""A secret that got out, over REST."""

import pytest

from keys.models import AuditEvent, ProviderKey
from keys.states import Role
from tests.factories import ApplicationFactory, MembershipFactory, ProviderKeyFactory
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


@pytest.fixture
def twin(owner, provider_key):
    """The same secret in another application of the owner's."""
    other = ApplicationFactory(slug="blog", name="Blog")
    MembershipFactory(application=other, user=owner, role=Role.OWNER)
    return ProviderKeyFactory(application=other, name="Copy", secret=SECRET)


def states(*keys):
    return [ProviderKey.objects.get(pk=key.pk).state for key in keys]


def test_everywhere_ends_it_in_the_other_applications_too(rest, owner, path, provider_key, twin):
    answer = rest(owner).post(path, {**REASON, "everywhere": True})

    assert answer.status == 200
    shown = {"application": "blog", "id": twin.id, "name": "Copy", "refused": None}
    assert answer.json["elsewhere"] == [shown]
    assert states(provider_key, twin) == ["revoked", "revoked"]
    events = AuditEvent.objects.filter(action="key.compromised")
    assert {event.target for event in events} == {
        f"provider_key:{provider_key.id}",
        f"provider_key:{twin.id}",
    }


def test_everywhere_puts_the_new_secret_in_there_too(rest, owner, allow_upstream, path, twin):
    allow_upstream.answer(200, GOOD)

    answer = rest(owner).post(path, {**REASON, "secret": NEW, "everywhere": True})

    assert answer.json["elsewhere"][0]["refused"] is None
    assert twin.versions.get(stage="current").last4 == NEW[-4:]
    assert NEW not in answer.text


def test_unless_it_is_asked_for_the_others_stay(rest, owner, path, provider_key, twin):
    assert rest(owner).post(path, REASON).json["elsewhere"] == []
    assert states(provider_key, twin) == ["revoked", "active"]


def test_everywhere_is_where_one_may_manage_provider_keys(rest, owner, path, provider_key, twin):
    owner.memberships.filter(application=twin.application).update(role=Role.DEVELOPER)

    answer = rest(owner).post(path, {**REASON, "everywhere": True})

    assert answer.json["elsewhere"] == []
    assert states(provider_key, twin) == ["revoked", "active"]


def test_one_that_cannot_be_ended_is_said_and_the_key_itself_is(
    rest, owner, allow_upstream, path, provider_key, twin
):
    allow_upstream.answer(200, GOOD)
    ProviderKeyFactory(application=twin.application, name="Taken", secret=NEW)

    answer = rest(owner).post(path, {**REASON, "secret": NEW, "everywhere": True})

    assert answer.json["elsewhere"][0]["refused"] is None  # ended: the new one is there already
    twin.refresh_from_db()
    assert twin.state == "revoked"
    assert (answer.json["last4"], twin.versions.get().stage) == (NEW[-4:], "current")
