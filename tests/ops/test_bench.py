"""What the gateway adds to a call: the same calls straight to the sandbox and through it."""

import time
from collections.abc import Callable
from statistics import median

import pytest
import requests

from tests.live import Keydeck
from tests.ops.load import BODY

pytestmark = [pytest.mark.live, pytest.mark.bench, pytest.mark.xdist_group("live")]
ROUNDS, CALLS = 5, 100
PATH = "/api/v6/images/text2img"


def _seconds(call: Callable[[], requests.Response]) -> float:
    started = time.perf_counter()
    for _ in range(CALLS):
        assert call().status_code == 200
    return (time.perf_counter() - started) / CALLS


def test_the_price_of_a_call_through_the_gateway(keydeck: Keydeck) -> None:
    _, key = keydeck.connect("sandbox-live-bench")
    with requests.Session() as session:
        session.trust_env = False

        def direct() -> requests.Response:
            body = {**BODY, "key": "sandbox-live-bench"}
            return session.post(f"{keydeck.sandbox_url}{PATH}", json=body, timeout=10)

        def through() -> requests.Response:
            url = f"{keydeck.url}/gateway/sandbox{PATH}"
            return session.post(url, json={**BODY, "key": key}, timeout=10)

        direct(), through()
        pairs = [(_seconds(direct), _seconds(through)) for _ in range(ROUNDS)]
    ratio = median(gateway / plain for plain, gateway in pairs)
    added = median(gateway - plain for plain, gateway in pairs) * 1000
    print(f"\none call through the gateway: {ratio:.2f} x a direct one, {added:.2f} ms added")
