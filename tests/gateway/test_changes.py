"""A change to a key holds in the gateway within a second; rotation interrupts nobody."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from keys import lifecycle
from keys.audit import Actor
from keys.models import AppKey, CacheEntry, ProviderKey
from keys.states import Stage
from tests.factories import ProviderKeyFactory, add_version
from tests.gateway.conftest import REAL, TEXT2IMG
from tests.gateway.serving import Server, stored_call, wait_until
from tests.live import SLACK
from tests.upstream import Upstream
from usage.gateway import desk
from usage.gateway.pools import Rota

pytestmark = pytest.mark.usefixtures("gateway")


def status(gateway: Server, key: str) -> int:
    return gateway.post(TEXT2IMG, json={"key": key, "prompt": "x"}).status_code


def seconds_until(gateway: Server, key: str, wanted: int) -> float:
    began = time.monotonic()
    wait_until(lambda: status(gateway, key) == wanted)
    return time.monotonic() - began


def test_a_revoked_app_key_is_refused_within_a_second(
    gateway: Server, app_key: AppKey, key: str, actor: Actor
) -> None:
    assert status(gateway, key) == 200
    lifecycle.revoke(actor, app_key)
    assert seconds_until(gateway, key, 401) < SLACK


def test_a_disabled_app_key_comes_back_within_a_second(
    gateway: Server, app_key: AppKey, key: str, actor: Actor
) -> None:
    assert status(gateway, key) == 200
    lifecycle.disable(actor, app_key)
    assert seconds_until(gateway, key, 403) < SLACK
    lifecycle.enable(actor, app_key)
    assert seconds_until(gateway, key, 200) < SLACK


def test_both_versions_of_a_rotated_app_key_work_until_the_overlap_ends(
    gateway: Server, app_key: AppKey, key: str, actor: Actor
) -> None:
    assert status(gateway, key) == 200
    new = lifecycle.rotate_app_key(actor, app_key, overlap_seconds=3600).reveal()
    response = gateway.post(TEXT2IMG, json={"key": new, "prompt": "x"})
    assert response.status_code == status(gateway, key) == 200
    call = stored_call(response)
    assert (call.app_key, call.app_key_version) == (app_key.id, 2)
    lifecycle.finish_rotation(actor, app_key)
    assert seconds_until(gateway, key, 401) < SLACK
    assert status(gateway, new) == 200


def test_a_limit_set_now_holds_within_a_second(
    gateway: Server, app_key: AppKey, key: str, actor: Actor
) -> None:
    assert status(gateway, key) == 200
    lifecycle.set_limits(actor, app_key, per_minute=1)
    assert seconds_until(gateway, key, 429) < SLACK


def test_a_rotated_provider_key_is_used_within_a_second(
    gateway: Server, provider_key: ProviderKey, provider: Upstream, key: str, actor: Actor
) -> None:
    assert status(gateway, key) == 200
    provider.answer(200, {"status": "success", "data": {"balance": 1}}, path="/api/wallet_balance")
    lifecycle.rotate_provider_key(actor, provider_key, secret="newSecretOfModelsLab")

    def used() -> bool:
        assert status(gateway, key) == 200
        return bool(provider.requests[-1].json()["key"] == "newSecretOfModelsLab")

    began = time.monotonic()
    wait_until(used)
    assert time.monotonic() - began < SLACK


@pytest.mark.parametrize("replaced", [True, False])
def test_every_text_of_a_compromised_app_key_is_refused_within_a_second(
    gateway: Server, app_key: AppKey, key: str, actor: Actor, replaced: bool
) -> None:
    newer = lifecycle.rotate_app_key(actor, app_key, overlap_seconds=3600).reveal()
    assert status(gateway, key) == status(gateway, newer) == 200
    text = lifecycle.report_compromised(actor, app_key, reason="leaked", replace=replaced)
    assert seconds_until(gateway, key, 401) < SLACK
    assert seconds_until(gateway, newer, 401) < SLACK
    assert text is None or status(gateway, text.reveal()) == 200


def test_a_compromised_provider_key_is_not_sent_after_a_second(
    gateway: Server, provider_key: ProviderKey, key: str, actor: Actor, provider: Upstream
) -> None:
    assert status(gateway, key) == 200
    lifecycle.report_compromised(actor, provider_key, reason="leaked")
    assert seconds_until(gateway, key, 503) < SLACK
    sent = len(provider.requests)
    assert status(gateway, key) == 503
    assert len(provider.requests) == sent


def test_a_secret_is_not_sent_where_its_provider_moved_to(
    gateway: Server, app_key: AppKey, key: str, actor: Actor, provider: Upstream
) -> None:
    lifecycle.create_custom_provider(
        actor, slug="acme", name="Acme", base_url=provider.url, credential_in="bearer"
    )
    secret = "secretOfAcme"
    mine = ProviderKeyFactory(application=app_key.application, provider="acme", secret=secret)

    def ask() -> int:
        headers = {"Authorization": f"Bearer {key}"}
        return gateway.post("/v1/x", provider="acme", headers=headers, json={}).status_code

    def refused() -> bool:
        return ask() == 503

    wait_until(lambda: ask() == 200)
    there = f"{provider.url}/elsewhere"
    lifecycle.change_base_url(actor, "acme", base_url=there)
    began = time.monotonic()
    wait_until(refused)
    assert time.monotonic() - began < SLACK
    assert not [one for one in provider.requests if one.path.startswith("/elsewhere")]
    lifecycle.rotate_provider_key(actor, mine, secret=secret)
    lifecycle.finish_rotation(actor, mine)  # it has no free probe
    wait_until(lambda: ask() == 200)


def test_a_version_the_provider_refuses_gives_way_to_the_previous(
    gateway: Server, provider_key: ProviderKey, provider: Upstream, key: str
) -> None:
    later = timezone.now() + timedelta(days=1)
    provider_key.versions.update(stage=Stage.PREVIOUS, retires_at=later)
    add_version(provider_key, "refusedNow", number=2)
    provider.answer(401, {"status": "error", "message": "Invalid API key"})
    assert status(gateway, key) == 401
    provider.answer(200, {"status": "success"})
    assert status(gateway, key) == 200
    sent = [received.json()["key"] for received in provider.requests]
    assert sent == ["refusedNow", REAL]


def test_several_keys_take_turns(
    gateway: Server, provider_key: ProviderKey, provider: Upstream, key: str
) -> None:
    ProviderKeyFactory(
        application=provider_key.application, secret="second", verdict=provider_key.verdict
    )
    for _ in range(4):
        assert status(gateway, key) == 200
    sent = [received.json()["key"] for received in provider.requests]
    assert sorted(sent) == sorted([REAL, REAL, "second", "second"])


def test_a_job_is_fetched_with_the_key_that_made_it(
    gateway: Server, provider_key: ProviderKey, provider: Upstream, key: str
) -> None:
    ProviderKeyFactory(
        application=provider_key.application, secret="second", verdict=provider_key.verdict
    )
    provider.answer(200, {"status": "processing", "id": 4711, "output": []})
    assert status(gateway, key) == 200
    maker = provider.requests[-1].json()["key"]
    for _ in range(3):
        gateway.post("/api/v6/images/fetch/4711", json={"key": key})
        assert provider.requests[-1].json()["key"] == maker
        gateway.post("/api/v6/images/fetch", json={"key": key, "request_id": 4711})
        assert provider.requests[-1].json()["key"] == maker


def test_another_process_fetches_a_job_with_the_key_that_made_it(
    gateway: Server, provider_key: ProviderKey, provider: Upstream, key: str
) -> None:
    """A process that has just begun knows nothing but what the database tells it."""
    ProviderKeyFactory(
        application=provider_key.application, secret="second", verdict=provider_key.verdict
    )
    for number in range(4700, 4706):
        provider.answer(200, {"status": "processing", "id": number, "output": []})
        assert status(gateway, key) == 200
        maker = provider.requests[-1].json()["key"]
        desk.mine().rota = Rota()
        gateway.post(f"/api/v6/images/fetch/{number}", json={"key": key})
        assert provider.requests[-1].json()["key"] == maker


def test_what_is_done_and_what_one_key_made_is_not_kept(
    gateway: Server, provider_key: ProviderKey, provider: Upstream, key: str
) -> None:
    provider.answer(200, {"status": "processing", "id": 1, "output": []})
    assert status(gateway, key) == 200
    ProviderKeyFactory(
        application=provider_key.application, secret="second", verdict=provider_key.verdict
    )
    provider.answer(200, {"status": "success", "id": 2, "output": []})
    assert status(gateway, key) == 200
    assert not CacheEntry.objects.filter(key__contains="job:").exists()
