"""Networks that keep asking with what nobody knows are slowed down; nobody else is."""

import time
from typing import Any

import pytest

from keys import tokens
from keys.models import Application
from keys.providers import jsonbody
from keys.states import KeyState
from tests.factories import AppKeyFactory
from tests.gateway.conftest import TEXT2IMG
from tests.gateway.serving import Server, wait_until
from tests.upstream import Upstream
from usage.gateway import desk, throttle
from usage.gateway.throttle import BURST, OVERDRAFT, REFILL, Throttle
from usage.models import Call, StrangerCount

HERE = "127.0.0.1"


def taken(bucket: Throttle, address: str, now: float, *, formed: bool = False) -> int:
    """How many calls the network may make at `now`."""
    count = 0
    while not bucket.take(address, now, formed=formed):
        count += 1
    return count


def test_a_network_may_err_in_bursts_and_then_slowly() -> None:
    bucket = Throttle()
    assert taken(bucket, "192.0.2.1", 0) == BURST
    assert 0 < bucket.take("192.0.2.200", 0, formed=False) <= 1 / REFILL
    assert taken(bucket, "198.51.100.1", 0) == BURST
    assert taken(bucket, "2001:db8:1:1::1", 0) == BURST
    assert taken(bucket, "2001:db8:1:2::1", 0) == 0
    assert taken(bucket, "192.0.2.1", 2) == 2 * REFILL
    assert taken(bucket, "192.0.2.1", 3600) == BURST


def test_noise_without_keys_leaves_room_for_a_first_call() -> None:
    bucket = Throttle()
    taken(bucket, HERE, 0)
    for _ in range(1000):  # good keys, each for the first time
        assert bucket.take(HERE, 0, formed=True) == 0
        bucket.give_back(HERE)
    assert taken(bucket, HERE, 0, formed=True) == OVERDRAFT


def test_networks_are_remembered_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "NETWORKS", 100)
    bucket = Throttle()
    for n in range(200):
        bucket.take(f"10.0.{n}.1", 0, formed=False)
    assert len(bucket._left) == 100


def ask(gateway: Server, key: str, provider: str = "modelslab") -> tuple[int, str]:
    response = gateway.post(TEXT2IMG, provider, json={"key": key, "prompt": "x"})
    body = response.json()
    if response.status_code == 429:
        assert int(response.headers["Retry-After"]) == body["retry_after"] >= 1
    return response.status_code, body.get("error", {}).get("code", "")


def test_strangers_get_429_and_known_keys_of_their_network_go_on(
    gateway: Server, application: Application, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "REFILL", 0.001)
    assert ask(gateway, key)[0] == 200
    revoked = AppKeyFactory(application=application, state=KeyState.REVOKED).plaintext
    new = AppKeyFactory(application=application).plaintext
    bucket = desk.mine().throttle
    bucket._left["127.0.0.0/24"] = (0.0, time.monotonic())
    assert ask(gateway, "nonsense") == (429, "rate_limited")
    assert ask(gateway, new)[0] == 200
    bucket._left["127.0.0.0/24"] = (-OVERDRAFT, time.monotonic())
    guess = tokens.new_app_key("live", "A1b2C3d4E5f6")
    for text in (guess, revoked):
        assert ask(gateway, text) == (429, "rate_limited")
    assert ask(gateway, key, "nobody") == (429, "rate_limited")
    assert (ask(gateway, key)[0], ask(gateway, new)[0]) == (200, 200)
    wait_until(lambda: StrangerCount.objects.filter(code="rate_limited").exists())


GUESS = tokens.new_app_key("live", "A1b2C3d4E5f6")


@pytest.mark.parametrize("named", ["mistyped", GUESS], ids=["mistyped", "guessed"])
def test_a_large_body_is_parsed_for_nobody_unknown(
    gateway: Server, key: str, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    parsed = []
    parse = jsonbody.parse

    def noted(body: bytes) -> Any:
        parsed.append(body)
        return parse(body)

    monkeypatch.setattr(jsonbody, "parse", noted)
    body = {"key": named, "nested": [{"key": 1}] * 20_000}  # quick to send, slow to understand
    refused = gateway.post(TEXT2IMG, json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_key")
    assert parsed == []
    assert gateway.post(TEXT2IMG, json={**body, "key": key}).status_code == 200
    assert parsed


def test_a_large_body_with_two_app_keys_is_a_bad_request(gateway: Server, key: str) -> None:
    body = {"key": key, "prompt": GUESS + " " * 100_000}
    assert gateway.post(TEXT2IMG, json=body).status_code == 400


def test_a_known_key_out_of_its_place_is_asked_for_and_throttled_as_no_stranger(
    gateway: Server, provider: Upstream, key: str
) -> None:
    answers = [gateway.post(TEXT2IMG, json={"prompt": f"use {key}"}) for _ in range(70)]
    assert {answer.json()["error"]["code"] for answer in answers} == {"key_required"}
    assert provider.requests == []


def test_a_revoked_key_that_goes_on_calling_is_counted_and_not_stored_each_time(
    gateway: Server, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "REFILL", 0.001)
    revoked = AppKeyFactory(application=application, state=KeyState.REVOKED)
    calls = int(BURST + OVERDRAFT) + 100
    for number in range(calls):
        path = f"/api/some/path/number-{number}"
        gateway.post(path, json={"key": revoked.plaintext}, headers={"User-Agent": "x" * 200})
    wait_until(lambda: StrangerCount.objects.filter(code="rate_limited").exists())
    wait_until(lambda: Call.objects.count() >= BURST)
    assert Call.objects.count() < calls - 20
    assert set(Call.objects.values_list("endpoint", "user_agent")) == {("", "x" * 200)}
