"""Several keys of one provider: a call goes on with the next where the provider only said no."""

import json

import pytest
import requests

from keys.models import Application, ProviderKey
from keys.states import Verdict
from tests.factories import ProviderKeyFactory
from tests.gateway.conftest import REAL, TEXT2IMG
from tests.gateway.serving import Server, stored_call, wait_until
from tests.upstream import Answer, Received, Upstream
from usage.gateway import desk
from usage.gateway.pools import Rota
from usage.models import Call

SECOND = "secondSecretKeyOfModelsLab0123456789abcdefghijklmnopqrstuvwxy"
WORDS = {
    401: "Invalid API key",
    402: "Insufficient credits. Please add more credits to continue.",
    403: "This feature requires a premium subscription",
    429: "Rate limit exceeded. Maximum 5 queued requests allowed.",
    400: "prompt is required",
    500: "Internal server error. Please try again.",
}


@pytest.fixture
def second(application: Application) -> ProviderKey:
    """Asked after the first."""
    key: ProviderKey = ProviderKeyFactory(
        application=application, secret=SECOND, verdict=Verdict.LIVE, priority=2
    )
    return key


def refusing(provider: Upstream, status: int, under: int | None = None) -> None:
    """The provider says no to the first key, with HTTP status `under`, and takes the second."""

    def answer(request: Received) -> Answer:
        if SECOND in request.body.decode():
            body = {"status": "success", "id": 7, "output": []}
            return Answer(200, json.dumps(body).encode(), {"Content-Type": "application/json"})
        body = {"status": "error", "message": WORDS[status]}
        headers = {"Content-Type": "application/json"}
        return Answer(under or status, json.dumps(body).encode(), headers)

    provider.handler = answer


def ask(gateway: Server, key: str) -> requests.Response:
    return gateway.post(TEXT2IMG, json={"key": key, "prompt": "a lighthouse"})


@pytest.mark.parametrize("status", [401, 402, 403, 429])
@pytest.mark.parametrize("under", [None, 200])
def test_a_call_goes_on_with_the_next_key_and_counts_once(
    gateway: Server,
    provider: Upstream,
    provider_key: ProviderKey,
    second: ProviderKey,
    key: str,
    status: int,
    under: int | None,
) -> None:
    refusing(provider, status, under)
    answer = ask(gateway, key)
    assert (answer.status_code, answer.json()["status"]) == (200, "success")
    assert [REAL in sent.body.decode() for sent in provider.requests] == [True, False]
    call = wait_until(lambda: Call.objects.first())
    assert Call.objects.count() == 1
    assert (call.outcome, call.provider_key, call.attempts) == ("ok", second.pk, 2)
    [before] = call.attempts_before
    assert (before["provider_key"], before["status"]) == (provider_key.pk, under or status)
    assert before["outcome"] == ("rate_limited" if status == 429 else "key_error")


def test_what_the_key_that_was_left_was_told_moves_its_verdict(
    gateway: Server, provider: Upstream, provider_key: ProviderKey, second: ProviderKey, key: str
) -> None:
    refusing(provider, 402)
    ask(gateway, key)

    def verdicts() -> bool:
        found = ProviderKey.objects.in_bulk([provider_key.pk, second.pk])
        return [found[id].verdict for id in (provider_key.pk, second.pk)] == ["exhausted", "live"]

    wait_until(verdicts)
    used = ProviderKey.objects.values_list("last_used_at", flat=True)
    assert all(used)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", b"no"),
        ("text/plain", b""),
        ("text/event-stream", b"event: error\n\n"),
        ("application/json", b'[{"error": "no"}]'),
        ("application/octet-stream", b"\0\1"),
    ],
)
@pytest.mark.parametrize("status", [401, 402, 429])
@pytest.mark.parametrize("method", ["POST", "HEAD"])
def test_a_refusal_of_whatever_type_is_one(
    gateway: Server,
    provider: Upstream,
    second: ProviderKey,
    key: str,
    status: int,
    kind: str,
    body: bytes,
    method: str,
) -> None:
    def answer(request: Received) -> Answer:
        if SECOND in f"{request.target}{request.body.decode()}":
            return Answer(200, b"{}", {"Content-Type": "application/json"})
        return Answer(status, b"" if method == "HEAD" else body, {"Content-Type": kind})

    provider.handler = answer
    url = f"{gateway.url}/gateway/modelslab{TEXT2IMG}"
    given = {"params": {"key": key}} if method == "HEAD" else {"json": {"key": key}}
    assert gateway.session.request(method, url, **given).status_code == 200
    assert len(provider.requests) == 2


@pytest.mark.parametrize("status", [400, 500])
def test_what_another_key_would_not_mend_goes_to_the_caller(
    gateway: Server, provider: Upstream, second: ProviderKey, key: str, status: int
) -> None:
    refusing(provider, status)
    assert ask(gateway, key).status_code == status
    assert len(provider.requests) == 1


def test_where_no_key_is_taken_the_caller_has_the_last_answer(
    gateway: Server, provider: Upstream, provider_key: ProviderKey, second: ProviderKey, key: str
) -> None:
    provider.answer(402, {"status": "error", "message": WORDS[402]})
    answer = ask(gateway, key)
    assert (answer.status_code, answer.json()["message"]) == (402, WORDS[402])
    call = wait_until(lambda: Call.objects.first())
    assert (call.outcome, call.attempts, len(call.attempts_before)) == ("key_error", 2, 1)


def test_a_body_that_was_streamed_past_is_not_sent_again(
    gateway: Server, provider: Upstream, second: ProviderKey, key: str
) -> None:
    refusing(provider, 402)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "image/png"}
    answer = gateway.post(TEXT2IMG, data=b"x" * 100_000, headers=headers)
    assert answer.status_code == 402
    assert len(provider.requests) == 1


def test_a_key_whose_secret_does_not_open_ends_the_search(
    gateway: Server, provider: Upstream, second: ProviderKey, key: str
) -> None:
    second.versions.update(sealed="broken")
    provider.answer(402, {"status": "error", "message": WORDS[402]})
    assert ask(gateway, key).status_code == 402
    assert len(provider.requests) == 1


@pytest.mark.parametrize("status", [401, 402, 429])
def test_a_key_that_was_just_refused_is_left_alone_for_a_while(
    gateway: Server, provider: Upstream, second: ProviderKey, key: str, status: int
) -> None:
    refusing(provider, status)
    for _ in range(3):
        assert ask(gateway, key).status_code == 200
    assert [REAL in sent.body.decode() for sent in provider.requests] == [True, False, False, False]
    wait_until(lambda: Call.objects.count() == 3)
    assert sum(bool(call.tried) for call in Call.objects.all()) == 1


def test_a_job_that_the_second_key_made_is_fetched_with_it(
    gateway: Server, provider: Upstream, second: ProviderKey, key: str
) -> None:
    refusing(provider, 402)
    taken = provider.handler

    def answer(request: Received) -> Answer | None:
        if SECOND in request.body.decode():
            body = b'{"status": "processing", "id": 4711, "output": []}'
            return Answer(200, body, {"Content-Type": "application/json"})
        return taken(request) if taken else None

    provider.handler = answer
    assert ask(gateway, key).status_code == 200
    desk.mine().rota = Rota()  # another process
    gateway.post("/api/v6/images/fetch/4711", json={"key": key})
    assert SECOND in provider.requests[-1].body.decode()


def test_a_provider_that_was_not_reached_is_tried_again_with_the_next_key(
    gateway: Server, provider: Upstream, second: ProviderKey, key: str
) -> None:
    provider.close()
    answer = ask(gateway, key)
    assert (answer.status_code, answer.json()["error"]["code"]) == (502, "upstream_unreachable")
    call = stored_call(answer)
    assert (call.outcome, call.attempts) == ("network_error", 2)
    assert [attempt["outcome"] for attempt in call.attempts_before] == ["network_error"]


def test_a_call_that_may_have_reached_the_provider_is_not_made_again(
    gateway: Server, provider: Upstream, second: ProviderKey, key: str
) -> None:
    provider.handler = lambda _: Answer(hang_up=True)
    assert ask(gateway, key).status_code == 502
    assert len(provider.requests) == 1


def test_no_answer_shows_a_key_that_was_tried_before(
    gateway: Server, provider: Upstream, second: ProviderKey, key: str
) -> None:
    def answer(request: Received) -> Answer:
        if SECOND not in request.body.decode():
            return Answer(402, b"{}", {"Content-Type": "application/json"})
        told = f'{{"instead of": "{REAL}", "took": "{SECOND}"}}'
        return Answer(200, told.encode(), {"Content-Type": "application/json", "X-Instead": REAL})

    provider.handler = answer
    answer_of = ask(gateway, key)
    assert answer_of.json() == {"instead of": "*" * len(REAL), "took": "*" * len(SECOND)}
    assert answer_of.headers["X-Instead"] == "*" * len(REAL)
