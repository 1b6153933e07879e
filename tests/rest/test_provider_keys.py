"""Provider keys over REST: added and probed, looked at, rotated, checked, never shown."""

from datetime import UTC, datetime

import pytest

from keys.models import AuditEvent, ProviderKey
from tests.factories import ProviderKeyFactory
from tests.rest.conftest import SECRET

pytestmark = pytest.mark.django_db
KEYS = "/applications/shop/provider-keys"
GOOD = {"status": "success", "data": {"balance": 12.5, "currency": "USD"}}
BAD = {"status": "error", "message": "Invalid API key"}
NEW = {"name": "Second", "provider": "modelslab", "secret": "ml-new-0123456789-wxyz"}


@pytest.fixture
def path(provider_key):
    return f"{KEYS}/{provider_key.id}"


def test_adding_answers_with_the_providers_verdict(rest, owner, allow_upstream):
    allow_upstream.answer(200, GOOD)

    answer = rest(owner).post(KEYS, NEW)

    assert answer.status == 201
    assert answer.json["verdict"] == "live"
    assert answer.json["state"] == "active"
    assert answer.json["last4"] == "wxyz"
    assert [(row["number"], row["stage"]) for row in answer.json["versions"]] == [(1, "current")]
    assert NEW["secret"] not in answer.text


def test_its_part_in_the_pool_is_said_with_it(rest, owner, allow_upstream):
    allow_upstream.answer(200, GOOD)
    client = rest(owner)

    made = client.post(KEYS, {**NEW, "priority": 2, "weight": 3, "concurrency": 5})

    assert (made.json["priority"], made.json["weight"], made.json["concurrency"]) == (2, 3, 5)
    assert client.post(KEYS, {**NEW, "name": "Third", "weight": 0}).status == 422


def test_whitespace_around_a_secret_is_taken_off_and_said(rest, owner, allow_upstream):
    allow_upstream.answer(200, GOOD)
    client = rest(owner)

    assert client.post(KEYS, {**NEW, "secret": f"{NEW['secret']}\n"}).json["trimmed"] is True
    clean = {**NEW, "name": "Third", "secret": "ml-third-0123456789"}
    assert client.post(KEYS, clean).json["trimmed"] is False


def test_a_secret_that_the_provider_refuses_is_dead_at_once(rest, owner, allow_upstream):
    allow_upstream.answer(401, BAD)
    assert rest(owner).post(KEYS, NEW).json["verdict"] == "dead"


def test_the_same_secret_twice_is_a_conflict_that_names_the_first(
    rest, owner, allow_upstream, provider_key
):
    allow_upstream.answer(200, GOOD)

    answer = rest(owner).post(KEYS, {**NEW, "secret": f" {SECRET}\n"})

    assert answer.status == 409
    assert answer.json["error"]["existing"] == provider_key.id
    assert SECRET not in answer.text


def test_a_taken_name_is_a_conflict(rest, owner, allow_upstream, provider_key):
    allow_upstream.answer(200, GOOD)
    assert rest(owner).post(KEYS, {**NEW, "name": provider_key.name}).status == 409


def test_looking_tells_all_but_the_secret(rest, viewer, path, provider_key):
    answer = rest(viewer).get(path)

    assert answer.status == 200
    assert answer.json["id"] == provider_key.id
    assert answer.json["application"] == "shop"
    assert answer.json["provider"] == "modelslab"
    assert answer.json["last4"] == SECRET[-4:]
    assert answer.json["verdict"] == "unchecked"
    assert answer.json["suspect"] is False
    assert answer.json["live_at_provider"] is None
    assert answer.json["last_used_at"] is None
    assert set(answer.json["versions"][0]) >= {
        "number",
        "stage",
        "created_at",
        "retires_at",
        "last4",
    }
    assert SECRET not in answer.text
    assert "gAAAA" not in answer.text  # nothing sealed either


def test_rotation_tests_promotes_and_keeps_the_old_one(rest, owner, path, allow_upstream):
    allow_upstream.answer(200, GOOD)

    answer = rest(owner).post(
        f"{path}/rotate", {"secret": "ml-next-0123456789-next", "overlap_seconds": 60}
    )

    assert answer.status == 200
    stages = {row["number"]: row["stage"] for row in answer.json["versions"]}
    assert stages == {1: "previous", 2: "current"}
    assert answer.json["last4"] == "next"
    assert answer.json["versions"][1]["retires_at"].endswith("Z")
    assert "ml-next" not in answer.text


def test_a_second_rotation_waits_for_the_first(rest, owner, path, allow_upstream):
    allow_upstream.answer(200, GOOD)
    client = rest(owner)
    client.post(f"{path}/rotate", {"secret": "ml-next-0123456789-0001"})

    assert client.post(f"{path}/rotate", {"secret": "ml-next-0123456789-0002"}).status == 409


def test_a_rotation_to_a_refused_secret_names_the_field(rest, owner, path, allow_upstream):
    allow_upstream.answer(401, BAD)

    answer = rest(owner).post(f"{path}/rotate", {"secret": "ml-wrong-0123456789"})

    assert (answer.status, answer.json["error"]["field"]) == (422, "secret")
    assert rest(owner).get(path).json["last4"] == SECRET[-4:]


def test_finishing_ends_the_overlap(rest, owner, path, allow_upstream):
    allow_upstream.answer(200, GOOD)
    client = rest(owner)
    client.post(f"{path}/rotate", {"secret": "ml-next-0123456789-0001"})

    answer = client.post(f"{path}/rotation/finish")

    assert (answer.status, set(answer.json)) == (200, {"id", "state"})
    stages = [row["stage"] for row in client.get(path).json["versions"]]
    assert stages == ["current", "retired"]


def test_cancelling_brings_the_old_one_back(rest, owner, path, allow_upstream):
    allow_upstream.answer(200, GOOD)
    client = rest(owner)
    client.post(f"{path}/rotate", {"secret": "ml-next-0123456789-0001"})

    assert client.post(f"{path}/rotation/cancel").status == 200
    assert client.get(path).json["last4"] == SECRET[-4:]


@pytest.mark.parametrize("act", ["finish", "cancel"])
def test_without_a_rotation_there_is_nothing_to_end(rest, owner, path, act):
    assert rest(owner).post(f"{path}/rotation/{act}").status == 409


def test_disable_and_enable(rest, owner, path, provider_key):
    client = rest(owner)

    assert client.post(f"{path}/disable").json == {"id": provider_key.id, "state": "disabled"}
    assert client.post(f"{path}/disable").status == 409
    assert client.post(f"{path}/enable").json["state"] == "active"


def test_revoking_is_for_good(rest, owner, path):
    client = rest(owner)

    assert client.post(f"{path}/revoke").json["state"] == "revoked"
    assert client.post(f"{path}/enable").status == 409


def test_revealing_needs_a_reason_and_is_audited(rest, owner, path, provider_key):
    client = rest(owner)
    for body in ({}, {"reason": ""}, {"reason": "  "}):
        refused = client.post(f"{path}/reveal", body)
        assert (refused.status, refused.json["error"]["field"]) == (422, "reason")
    assert not AuditEvent.objects.filter(action="provider_key.revealed").exists()

    answer = client.post(f"{path}/reveal", {"reason": "moving house"})

    assert answer.json == {"key": SECRET}
    assert answer.response["Cache-Control"] == "no-store"
    event = AuditEvent.objects.get(action="provider_key.revealed")
    assert event.actor == owner
    assert event.target == f"provider_key:{provider_key.id}"
    assert event.detail["reason"] == "moving house"


def test_a_check_answers_with_the_evidence(rest, developer, path, allow_upstream):
    allow_upstream.answer(200, GOOD)

    answer = rest(developer).post(f"{path}/check")

    assert answer.status == 200
    assert answer.json["verdict"] == "live"
    evidence = answer.json["evidence"]
    assert evidence["status"] == 200
    assert evidence["latency_ms"] > 0
    assert datetime.fromisoformat(evidence["at"]) <= datetime.now(UTC)
    shown = rest(developer).get(path).json["evidence"]
    assert shown["status"] == 200
    assert shown["at"].endswith("Z")
    for told in (evidence, shown):
        assert (told["balance"], told["currency"]) == (12.5, "USD")
        assert told["balance_at"] == told["at"]


def test_evidence_from_before_there_were_balances_is_told_without_one(rest, viewer, path):
    old = {"meaning": "live", "status": 200, "at": "2026-11-01T12:00:00+00:00", "via": "probe"}
    ProviderKey.objects.update(verdict="live", evidence=old)

    shown = rest(viewer).get(path).json["evidence"]

    assert (shown["balance"], shown["currency"], shown["balance_at"]) == (None, "", None)


def test_a_check_asked_for_is_in_the_audit(rest, developer, path, provider_key, allow_upstream):
    allow_upstream.answer(200, GOOD)

    rest(developer).post(f"{path}/check")

    event = AuditEvent.objects.get(action="provider_key.checked")
    assert event.actor == developer
    assert event.target == f"provider_key:{provider_key.id}"
    assert event.detail["meaning"] == "live"


def test_an_unreachable_provider_moves_no_verdict(rest, developer, path, allow_upstream):
    ProviderKey.objects.update(verdict="live")
    allow_upstream.answer(hang_up=True)

    answer = rest(developer).post(f"{path}/check")

    assert answer.json["verdict"] == "live"
    assert answer.json["evidence"]["status"] == 0


def test_a_list_costs_the_same_whatever_it_holds(
    rest, owner, application, provider_key, django_assert_num_queries
):
    client = rest(owner)
    client.get(KEYS)
    for _ in range(2):
        # the token, the application, the role, the keys, their versions
        with django_assert_num_queries(5):
            client.get(KEYS)
        ProviderKeyFactory.create_batch(4, application=application)
    names = [row["name"] for row in client.get(KEYS, limit=3).json["items"]]
    assert names == sorted(names)
    assert len(names) == 3


def test_its_part_in_the_pool_is_set_and_audited(rest, owner, developer, provider_key):
    path = f"/applications/shop/provider-keys/{provider_key.pk}"
    answer = rest(owner).patch(path, {"priority": 2, "weight": 30})
    assert (answer.status, answer.json["priority"], answer.json["weight"]) == (200, 2, 30)
    event = AuditEvent.objects.get(action="provider_key.share_changed")
    assert event.detail["was"] == {"priority": 1, "weight": 1}
    assert rest(developer).patch(path, {"weight": 2}).status == 403
    for wrong in ({"weight": 0}, {"weight": 101}, {"priority": 10}, {"priority": "1"}):
        assert rest(owner).patch(path, wrong).status == 422
    rest(owner).patch(path, {"weight": 30})
    assert AuditEvent.objects.filter(action="provider_key.share_changed").count() == 1
    for bound in (15, None):
        assert rest(owner).patch(path, {"concurrency": bound}).json["concurrency"] == bound
    assert rest(owner).patch(path, {"concurrency": 0}).status == 422
