"""Refusals of a known key are its calls, but no key fills the disk with them."""

from typing import Any

import pytest

from keys.models import Application
from keys.states import KeyState
from tests.factories import AppKeyFactory
from tests.gateway.conftest import TEXT2IMG
from tests.gateway.serving import Server, stored_call, wait_until
from usage.gateway import throttle
from usage.gateway.throttle import BURST, OVERDRAFT, REFUSALS, REFUSALS_REFILL, Throttle
from usage.models import Call, StrangerCount


def recorded(bucket: Throttle, app_key: str, now: float) -> int:
    """How many refusals of the key are recorded at `now`."""
    count = 0
    while bucket.is_recorded(app_key, now):
        count += 1
    return count


def test_a_keys_refusals_are_recorded_in_bursts_and_then_at_a_rate() -> None:
    bucket = Throttle()
    assert recorded(bucket, "one", 0) == REFUSALS
    assert recorded(bucket, "another", 0) == REFUSALS
    assert recorded(bucket, "one", 60) == min(REFUSALS, 60 * REFUSALS_REFILL)
    assert recorded(bucket, "one", 62) == 2 * REFUSALS_REFILL
    assert recorded(bucket, "one", 10_000) == REFUSALS


def test_keys_are_remembered_in_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "APP_KEYS", 100)
    bucket = Throttle()
    for n in range(200):
        bucket.is_recorded(f"key {n}", 0)
    assert len(bucket._refusals) == 100


@pytest.mark.parametrize("text", ["revoked", "unknown"])
def test_a_key_that_is_none_any_more_is_throttled_also_where_nobody_needs_it(
    gateway: Server, application: Application, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(throttle, "REFILL", 0.001)
    key = AppKeyFactory(application=application, state=KeyState.REVOKED)
    headers = {"Authorization": f"Bearer {key.plaintext}"}
    if text == "unknown":
        key.delete()
    statuses = [gateway.get("/a//b", headers=headers).status_code for _ in range(140)]
    assert (statuses[0], statuses[-1]) == (400, 429)
    most = 0 if text == "unknown" else int(BURST + OVERDRAFT) + 1
    wait_until(lambda: StrangerCount.objects.filter(code="rate_limited").exists())
    assert statuses.count(400) <= BURST + OVERDRAFT + 1
    assert Call.objects.count() <= most


@pytest.mark.parametrize(
    ("path", "policy", "code"),
    [
        ("/a//b", {}, "bad_request"),
        (TEXT2IMG, {"endpoints": ["/other"]}, "endpoint_not_allowed"),
        (TEXT2IMG, {"per_day": 1}, "quota_exceeded"),
        (TEXT2IMG, {"state": KeyState.DISABLED}, "key_disabled"),
    ],
    ids=lambda value: value if isinstance(value, str) and "_" in value else "",
)
def test_past_a_rate_refusals_of_one_key_are_only_counted(
    gateway: Server,
    application: Application,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    policy: dict[str, Any],
    code: str,
) -> None:
    monkeypatch.setattr(throttle, "REFUSALS", 3.0)
    monkeypatch.setattr(throttle, "REFUSALS_REFILL", 0.001)
    refusing = AppKeyFactory(application=application, **policy).plaintext
    headers = {"Authorization": f"Bearer {refusing}"}
    answers = [gateway.post(path, json={"prompt": "x"}, headers=headers) for _ in range(8)]
    refused = [answer for answer in answers if answer.status_code != 200]
    codes = {(answer.status_code, answer.json()["error"]["code"]) for answer in refused}
    assert {told for _, told in codes} == {code}
    assert len(codes) == 1  # the same answer all along
    for answer in refused[:3]:
        assert stored_call(answer).code == code
    counted = StrangerCount.objects.filter(code=code[:20])
    wait_until(lambda: sum(counted.values_list("requests", flat=True)) == len(refused) - 3)
    assert stored_call(gateway.post("/a//b", headers={"key": key})).code == "bad_request"
    assert Call.objects.count() == len(answers) - len(refused) + 3 + 1
