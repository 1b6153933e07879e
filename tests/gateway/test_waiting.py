"""A provider key that was told to wait, or that is busy: who waits for whom, and how long."""

import threading

import pytest

from keys.models import Application, ProviderKey
from keys.states import Verdict
from tests.factories import ProviderKeyFactory
from tests.gateway.conftest import REAL, TEXT2IMG
from tests.gateway.serving import Server, stored_call, wait_until
from tests.upstream import Answer, Upstream

SECOND = "secondSecretKeyOfModelsLab0123456789abcdefghijklmnopqrstuvwxy"
LIMITED = {"status": "error", "message": "Rate limit exceeded."}


def second_key(application: Application) -> ProviderKey:
    key: ProviderKey = ProviderKeyFactory(
        application=application, secret=SECOND, verdict=Verdict.LIVE, priority=2
    )
    return key


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({**LIMITED, "retry_after": 30}, {}),
        (LIMITED, {"Retry-After": "30"}),
        (LIMITED, {"Retry-After": "29.5"}),
        (LIMITED, {"Retry-After-Ms": "29500"}),
        (LIMITED, {"Retry-After": "Fri, 31 Dec 2100 23:59:59 GMT"}),
    ],
)
def test_a_single_key_that_was_told_to_wait_is_not_asked_before(
    gateway: Server,
    provider: Upstream,
    key: str,
    body: dict[str, object],
    headers: dict[str, str],
) -> None:
    provider.answer(429, body, headers=headers)
    assert gateway.post(TEXT2IMG, json={"key": key}).status_code == 429
    answer = gateway.post(TEXT2IMG, json={"key": key})
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "rate_limited")
    longest = 86400 if "2100" in str(headers) else 30
    assert longest - 5 < int(answer.headers["Retry-After"]) <= longest
    assert answer.json()["retry_after"] == int(answer.headers["Retry-After"])
    assert len(provider.requests) == 1
    call = stored_call(answer)
    assert (call.outcome, call.code, call.provider_key) == ("denied", "key_resting", "")


def test_a_key_that_was_told_no_time_is_asked_again_after_a_moment(
    gateway: Server, provider: Upstream, key: str
) -> None:
    provider.answer(429, LIMITED, headers={"Retry-After": "soon"})
    assert gateway.post(TEXT2IMG, json={"key": key}).status_code == 429
    answer = gateway.post(TEXT2IMG, json={"key": key})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    assert len(provider.requests) == 1
    provider.answer(200, {"status": "success", "output": []})
    wait_until(lambda: gateway.post(TEXT2IMG, json={"key": key}).status_code == 200)


def test_what_a_waiting_key_has_begun_is_fetched_all_the_same(
    gateway: Server, provider: Upstream, key: str
) -> None:
    provider.answer(200, {"status": "processing", "id": 4711, "output": []})
    gateway.post(TEXT2IMG, json={"key": key})
    provider.answer(429, {**LIMITED, "retry_after": 30})
    gateway.post(TEXT2IMG, json={"key": key})
    provider.answer(200, {"status": "success", "id": 4711, "output": []})
    assert gateway.post("/api/v6/images/fetch/4711", json={"key": key}).status_code == 200
    assert gateway.post(TEXT2IMG, json={"key": key}).status_code == 429


def test_a_jobs_id_in_another_call_does_not_reach_a_waiting_key(
    gateway: Server, provider: Upstream, key: str
) -> None:
    provider.answer(200, {"status": "processing", "id": 4711, "output": []})
    gateway.post(TEXT2IMG, json={"key": key})
    provider.answer(429, {**LIMITED, "retry_after": 30})
    gateway.post(TEXT2IMG, json={"key": key})
    provider.answer(200, {"status": "success", "id": 4711, "output": []})
    body = {"key": key, "request_id": "4711"}
    for path in (TEXT2IMG, f"{TEXT2IMG}/4711"):
        assert gateway.post(path, json=body).status_code == 429
    assert len(provider.requests) == 2


def test_a_waiting_key_of_a_pool_is_not_even_the_last_resort(
    gateway: Server, provider: Upstream, application: Application, key: str
) -> None:
    second_key(application)
    provider.answer(429, {**LIMITED, "retry_after": 30})
    assert gateway.post(TEXT2IMG, json={"key": key}).status_code == 429  # both were asked
    answer = gateway.post(TEXT2IMG, json={"key": key})
    assert (answer.status_code, len(provider.requests)) == (429, 2)
    assert stored_call(answer).code == "key_resting"


class Held:
    """Keeps answers back until told."""

    def __init__(self, provider: Upstream) -> None:
        self._open = threading.Event()
        body, headers = b'{"status": "success"}', {"Content-Type": "application/json"}
        provider.handler = lambda _: Answer(200, body, headers, wait_for=self._open)

    def let_go(self) -> None:
        self._open.set()


def calls_once(gateway: Server, key: str) -> threading.Thread:
    def call() -> None:
        Server.post(gateway, TEXT2IMG, json={"key": key})

    thread = threading.Thread(target=call)
    thread.start()
    return thread


def test_a_busy_key_makes_room_for_the_next_and_then_the_caller_waits(
    gateway: Server,
    provider: Upstream,
    application: Application,
    provider_key: ProviderKey,
    key: str,
) -> None:
    second_key(application)
    ProviderKey.objects.update(concurrency=1)
    held, begun = Held(provider), []
    for _ in range(2):
        begun.append(calls_once(gateway, key))
        provider.wait_for_requests(len(begun))
    refused = gateway.post(TEXT2IMG, json={"key": key})
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "concurrency_limited")
    assert refused.headers["Retry-After"] == "1"
    assert stored_call(refused).code == "pool_full"
    held.let_go()
    for thread in begun:
        thread.join(60)
    taken = gateway.post(TEXT2IMG, json={"key": key})
    assert stored_call(taken).provider_key == provider_key.pk
    assert {REAL in sent.body.decode() for sent in provider.requests[:2]} == {True, False}
