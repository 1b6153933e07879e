"""Rotation and revocation as clients live through them: real processes, calls all the while.

The suite runs a short form of each; `make prove` the long one.
"""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.live import PATIENCE, ROOT, SLACK, Keydeck, ask, free_port, wait_for
from tests.ops.load import BODY, Load

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]
PATH = "/gateway/sandbox/api/v6/images/text2img"


def first_key(keydeck: Keydeck, slug: str, kind: str) -> str:
    items = keydeck.call("GET", f"/applications/{slug}/{kind}").json()["items"]
    return f"/applications/{slug}/{kind}/{items[0]['id']}"


def rotate_under_load(keydeck: Keydeck, times: int) -> str:
    """Rotates both kinds of keys with an overlap; the client takes the new text inside it."""
    slug, text = keydeck.connect()
    provider_key, app_key = (first_key(keydeck, slug, k) for k in ("provider-keys", "app-keys"))
    with Load(keydeck, text) as load:
        for n in range(times):
            secret = {"secret": f"sandbox-live-rotated-{n}", "overlap_seconds": 3600}
            before = len(load.ids)
            assert keydeck.call("POST", f"{provider_key}/rotate", secret).status == 200
            made = keydeck.call("POST", f"{app_key}/rotate", {"overlap_seconds": 3600})
            assert made.status == 200, made
            wait_for(lambda: len(load.ids) > before + 8, PATIENCE, "calls inside the overlap")  # noqa: B023
            load.key, before = made.json()["key"], len(load.ids)
            wait_for(lambda: len(load.ids) > before + 24, PATIENCE, "calls with the new text")  # noqa: B023
            for key in (provider_key, app_key):
                assert keydeck.call("POST", f"{key}/rotation/finish").status == 200
    assert (load.failures, load.refused) == (0, [])
    return f"{times} provider-key and {times} app-key rotations, {len(load.ids)} calls, 0 errors"


def test_rotations_under_load_cost_no_call(keydeck: Keydeck) -> None:
    rotate_under_load(keydeck, 2)


@pytest.mark.prove
@pytest.mark.timeout(600)
def test_twenty_rotations_of_each_kind_under_load_cost_no_call(keydeck: Keydeck) -> None:
    print(rotate_under_load(keydeck, 20))


def statuses_of_rotations(keydeck: Keydeck, kind: str, at_once: int) -> Counter[int]:
    """One key's rotations, all asked for in REST at the same moment."""
    slug, _ = keydeck.connect()
    address = f"{first_key(keydeck, slug, kind)}/rotate"

    def rotate(number: int) -> int:
        body: dict[str, object] = {"overlap_seconds": 3600}
        if kind == "provider-keys":
            body["secret"] = f"sandbox-live-raced-{number}"
        return keydeck.call("POST", address, body).status

    with ThreadPoolExecutor(at_once) as pool:
        found = Counter(pool.map(rotate, range(at_once)))
    print(f"\n{at_once} rotations of one of the {kind} at once, over REST: {dict(found)}")
    return found


@pytest.mark.parametrize("at_once", [10, pytest.param(50, marks=pytest.mark.prove)])
@pytest.mark.parametrize("kind", ["app-keys", "provider-keys"])
def test_of_rotations_at_once_one_is_answered_200(
    keydeck: Keydeck, kind: str, at_once: int
) -> None:
    assert statuses_of_rotations(keydeck, kind, at_once) == {200: 1, 409: at_once - 1}


@contextmanager
def another_gateway(keydeck: Keydeck) -> Iterator[str]:
    """A second gateway process on the same data; yields its URL."""
    port = free_port()
    words = ["-m", "uvicorn", "config.asgi:gateway", "--port", str(port), "--log-level", "warning"]
    process = subprocess.Popen([sys.executable, *words], cwd=ROOT, env=keydeck.environment)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: _answers(url), PATIENCE, "the second gateway")
        yield url
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _answers(url: str) -> bool:
    try:
        return ask("GET", f"{url}/healthz").status == 200
    except OSError:
        return False


def refusal_times(keydeck: Keydeck, urls: list[str], trials: int) -> list[float]:
    """Seconds from the answer to a revocation until the last gateway refuses the key."""
    slug, _ = keydeck.connect()
    times = []
    for n in range(trials):
        made = keydeck.call("POST", f"/applications/{slug}/app-keys", {"name": f"Trial {n}"}).json()
        body = {**BODY, "key": made["key"]}
        assert all(ask("POST", url + PATH, body).status == 200 for url in urls)
        path = f"/applications/{slug}/app-keys/{made['id']}/revoke"
        assert keydeck.call("POST", path).status == 200
        began = time.monotonic()
        waits: list[float] = []
        threads = [
            threading.Thread(target=lambda u=url: waits.append(_refused_after(u, body, began)))  # noqa: B023
            for url in urls
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        times.append(max(waits))
    return sorted(times)


def _refused_after(url: str, body: dict[str, object], began: float) -> float:
    wait_for(lambda: ask("POST", url + PATH, body).status == 401, PATIENCE, "the refusal")
    return time.monotonic() - began


def test_a_revoked_key_is_refused_by_every_gateway_within_a_second(keydeck: Keydeck) -> None:
    with another_gateway(keydeck) as second:
        assert max(refusal_times(keydeck, [keydeck.url, second], 3)) < SLACK


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_two_hundred_revocations_over_two_gateways(keydeck: Keydeck) -> None:
    with another_gateway(keydeck) as second:
        times = refusal_times(keydeck, [keydeck.url, second], 200)
    p50, p99 = times[99], times[197]
    print(f"200 revocations, 2 gateway processes: p50 {p50:.3f} s, p99 {p99:.3f} s to refusal")
    assert p99 < 1
