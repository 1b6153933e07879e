"""App keys over REST: created with their policy, shown on purpose, rotated, revoked."""

from datetime import UTC, datetime, timedelta

import pytest

from keys import tokens, vault
from keys.models import AppKey, AppKeyVersion, AuditEvent
from tests.factories import AppKeyFactory

pytestmark = pytest.mark.django_db
KEYS = "/applications/shop/app-keys"


@pytest.fixture
def path(app_key):
    return f"{KEYS}/{app_key.id}"


def test_creating_gives_the_key_itself(rest, developer, application):
    answer = rest(developer).post(KEYS, {"name": "Worker", "providers": None})

    assert answer.status == 201
    key = answer.json["key"]
    assert tokens.parse_app_key(key).id == answer.json["id"]
    assert answer.json["state"] == "active"
    assert answer.json["last4"] == key[-4:]
    assert AppKeyVersion.objects.get().lookup == vault.lookup_hash(key)


def test_creating_takes_the_whole_policy(rest, owner, application):
    until = (datetime.now(UTC) + timedelta(days=30)).replace(microsecond=0)

    answer = rest(owner).post(
        KEYS,
        {
            "name": "Worker",
            "providers": ["modelslab"],
            "environment": "test",
            "expires_at": until.isoformat(),
            "limits": {"per_minute": 60, "per_day": 1000, "per_month": 9000, "concurrency": 4},
            "methods": ["get", "POST"],
            "endpoints": ["/api/v6/images/*"],
            "ips": ["10.0.0.0/8", "2001:db8::/32"],
        },
    )

    assert answer.status == 201, answer.text
    assert answer.json["key"].startswith("kd_test_")
    shown = rest(owner).get(f"{KEYS}/{answer.json['id']}").json
    assert shown["providers"] == ["modelslab"]
    assert shown["environment"] == "test"
    assert datetime.fromisoformat(shown["expires_at"]) == until
    limits = {"per_minute": 60, "per_day": 1000, "per_month": 9000, "concurrency": 4}
    assert shown["limits"] == limits
    assert shown["methods"] == ["GET", "POST"]
    assert shown["endpoints"] == ["/api/v6/images/*"]
    assert shown["ips"] == ["10.0.0.0/8", "2001:db8::/32"]
    assert "key" not in shown


def test_a_taken_name_is_a_conflict(rest, owner, app_key):
    assert rest(owner).post(KEYS, {"name": app_key.name}).status == 409


def test_looking_never_shows_the_key(rest, viewer, path, app_key):
    for answer in (rest(viewer).get(path), rest(viewer).get(KEYS)):
        assert answer.status == 200
        assert app_key.plaintext not in answer.text
        assert "gAAAA" not in answer.text


def test_copying_again_needs_no_reason_and_is_audited(rest, developer, path, app_key):
    answer = rest(developer).post(f"{path}/reveal")

    assert answer.json == {"key": app_key.plaintext}
    assert answer.response["Cache-Control"] == "no-store"
    assert AuditEvent.objects.get(action="app_key.copied").actor == developer


def test_where_keys_are_shown_once_there_is_no_copy(rest, owner, application):
    client = rest(owner)
    client.patch("/applications/shop", {"show_app_keys_once": True})
    made = client.post(KEYS, {"name": "Once"})

    assert made.status == 201
    assert made.json["key"].startswith("kd_live_")
    assert client.post(f"{KEYS}/{made.json['id']}/reveal").status == 409


def test_limits_change_by_the_field(rest, owner, path):
    client = rest(owner)
    client.patch(path, {"limits": {"per_minute": 5, "per_day": 100}})

    answer = client.patch(path, {"limits": {"per_minute": None}})

    assert answer.status == 200
    unset = dict.fromkeys(("per_minute", "per_month", "concurrency"))
    assert answer.json["limits"] == {**unset, "per_day": 100}


def test_rotation_gives_a_new_key_and_keeps_the_old(rest, developer, path, app_key):
    answer = rest(developer).post(f"{path}/rotate", {"overlap_seconds": 3600})

    assert answer.status == 200
    assert answer.json["id"] == app_key.id
    assert answer.json["key"] != app_key.plaintext
    assert tokens.parse_app_key(answer.json["key"]).id == app_key.id
    stages = {row["number"]: row["stage"] for row in answer.json["versions"]}
    assert stages == {1: "previous", 2: "current"}


def test_rotation_needs_no_body(rest, developer, path):
    assert rest(developer).post(f"{path}/rotate").status == 200


def test_a_second_rotation_waits_for_the_first(rest, developer, path):
    client = rest(developer)
    client.post(f"{path}/rotate", {})
    assert client.post(f"{path}/rotate", {}).status == 409


def test_finishing_ends_the_overlap_and_cancelling_undoes_it(rest, developer, path, app_key):
    client = rest(developer)
    client.post(f"{path}/rotate", {})
    assert client.post(f"{path}/rotation/cancel").json["state"] == "active"
    assert client.get(path).json["last4"] == app_key.plaintext[-4:]

    client.post(f"{path}/rotate", {})
    assert client.post(f"{path}/rotation/finish").status == 200
    stages = [row["stage"] for row in client.get(path).json["versions"]]
    assert stages == ["current", "retired", "retired"]
    assert client.post(f"{path}/rotation/finish").status == 409


def test_disable_enable_revoke(rest, owner, path, app_key):
    client = rest(owner)

    assert client.post(f"{path}/disable").json == {"id": app_key.id, "state": "disabled"}
    assert client.post(f"{path}/enable").json["state"] == "active"
    assert client.post(f"{path}/revoke").json["state"] == "revoked"
    for act in ("enable", "disable", "revoke", "rotate"):
        assert client.post(f"{path}/{act}").status == 409, act


def test_a_sealed_vault_says_so_and_still_revokes(rest, owner, path, settings):
    client = rest(owner)
    settings.MASTER_KEYS = ""
    vault.forget()

    for act in ("reveal", "rotate"):
        answer = client.post(f"{path}/{act}")
        assert (answer.status, answer.json["error"]["code"]) == (503, "sealed"), answer.text
    assert client.post(f"{path}/revoke").json["state"] == "revoked"


def test_a_list_costs_the_same_whatever_it_holds(
    rest, owner, application, app_key, django_assert_num_queries
):
    client = rest(owner)
    client.get(KEYS)
    for _ in range(2):
        # the token, the application, the role, the keys, their versions
        with django_assert_num_queries(5):
            client.get(KEYS)
        AppKeyFactory.create_batch(4, application=application)
    assert AppKey.objects.count() == 9


def test_an_overlap_is_extended_and_its_silence_asked(rest, owner, app_key):
    client, path = rest(owner), f"/applications/shop/app-keys/{app_key.id}"
    body = {"overlap_seconds": 3600, "silent_seconds": 900}
    assert client.post(f"{path}/rotate", body).status == 200
    before = client.get(path).json["versions"][1]
    assert before["last_used_at"] is None

    answer = client.post(f"{path}/rotation/extend", {"overlap_seconds": 7200})

    assert (answer.status, answer.json) == (200, {"id": app_key.id, "state": "active"})
    assert client.get(path).json["versions"][1]["retires_at"] > before["retires_at"]
    refused = client.post(f"{path}/rotation/extend", {"overlap_seconds": 0})
    assert (refused.status, refused.json["error"]["field"]) == (422, "overlap_seconds")
    assert client.post(f"{path}/rotation/finish").status == 200
    assert client.post(f"{path}/rotation/extend", {"overlap_seconds": 60}).status == 409
    short = client.post(f"{path}/rotate", {"silent_seconds": 5})
    assert (short.status, short.json["error"]["field"]) == (422, "silent_seconds")


def test_an_owner_names_the_dangerous_endpoints_that_are_open(rest, owner, developer, application):
    """Whoever makes a key can't open them with it."""
    path = "/applications/shop/app-keys"
    opened = {"dangerous_endpoints": ["/api/v3/delete_image"]}
    assert rest(developer).post(path, {"name": "Web", **opened}).status == 422
    made = rest(developer).post(path, {"name": "Web"}).json
    assert made["dangerous_endpoints"] is None
    assert rest(developer).patch(f"{path}/{made['id']}", opened).status == 403
    answer = rest(owner).patch(f"{path}/{made['id']}", opened)
    assert answer.json["dangerous_endpoints"] == ["/api/v3/delete_image"]
    refused = rest(owner).patch(f"{path}/{made['id']}", {"dangerous_endpoints": ["no path"]})
    assert (refused.status, "dangerous_endpoints" in refused.text) == (422, True)
