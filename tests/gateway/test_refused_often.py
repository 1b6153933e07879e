"""Refusals of a key in force are its calls; one that is none any more is a stranger's."""

from typing import Any

import pytest

from keys.models import Application
from keys.states import KeyState
from tests.factories import AppKeyFactory
from tests.gateway.conftest import TEXT2IMG
from tests.gateway.serving import Server, wait_until
from usage.gateway import throttle
from usage.gateway.throttle import BURST, OVERDRAFT
from usage.models import Call, StrangerCount


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
        (TEXT2IMG, {"state": KeyState.DISABLED}, "key_disabled"),
    ],
)
def test_every_refusal_of_a_key_in_force_is_its_call(
    gateway: Server, application: Application, path: str, policy: dict[str, Any], code: str
) -> None:
    refusing = AppKeyFactory(application=application, **policy).plaintext
    headers = {"Authorization": f"Bearer {refusing}"}
    for _ in range(150):
        answer = gateway.post(path, json={"prompt": "x"}, headers=headers)
        assert answer.json()["error"]["code"] == code
    wait_until(lambda: Call.objects.filter(code=code).count() == 150)
