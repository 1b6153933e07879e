"""Each sandbox key gets the answer its name promises."""

import time

import pytest
import requests

from tests.live import PATIENCE, SLACK
from tests.sandbox.conftest import Running


def test_a_live_key_gets_a_picture(sandbox: Running) -> None:
    answer = sandbox.text2img("sandbox-live").json()
    assert answer["status"] == "success"
    assert "key" not in answer["meta"]
    assert (
        requests.get(answer["output"][0], timeout=PATIENCE).headers["content-type"] == "image/png"
    )


@pytest.mark.parametrize(
    ("key", "status", "message"),
    [
        ("sandbox-credits", 402, "Insufficient credits. Please add more credits to continue."),
        ("sandbox-plan", 403, "This feature requires a premium subscription"),
        ("sandbox-limited", 429, "Rate limit exceeded. Maximum 5 queued requests allowed."),
        ("sandbox-500", 500, "Internal server error. Please try again."),
        ("sandbox-503", 503, "Service temporarily unavailable. Please try again later."),
        ("sandbox-200-error", 200, "Invalid API key"),
        ("sandbox-200-credits", 200, "Insufficient credits. Please add more credits to continue."),
        ("sandbox-object", 400, {"prompt": ["The prompt field is required."]}),
        ("sandbox-credits-shop", 402, "Insufficient credits. Please add more credits to continue."),
        ("sandbox-nonsense", 401, "Invalid API key"),
        ("something else", 401, "Invalid API key"),
    ],
)
def test_an_error_has_modelslabs_status_and_words(
    sandbox: Running, key: str, status: int, message: object
) -> None:
    answer = sandbox.text2img(key)
    assert answer.status_code == status
    assert answer.json()["status"] == "error"
    assert answer.json()["message"] == message


def test_the_legacy_error_is_in_messege(sandbox: Running) -> None:
    assert sandbox.text2img("sandbox-messege").json() == {
        "status": "error",
        "messege": "Invalid API key",
    }


def test_a_limited_key_is_told_when_to_come_back(sandbox: Running) -> None:
    assert sandbox.text2img("sandbox-limited").json()["retry_after"] == 30


def test_no_key_and_no_prompt_are_told_apart(sandbox: Running) -> None:
    url = f"{sandbox.url}/api/v6/images/text2img"
    missing = requests.post(url, json={"prompt": "a fox"}, timeout=PATIENCE)
    assert (missing.status_code, missing.json()["message"]) == (401, "API key required")
    empty = requests.post(url, json={"key": "sandbox-live"}, timeout=PATIENCE)
    assert (empty.status_code, empty.json()["message"]) == (400, "prompt is required")


@pytest.mark.parametrize(
    "placed",
    [
        {"json": {"key": "sandbox-live", "prompt": "a fox"}},
        {"data": {"key": "sandbox-live", "prompt": "a fox"}},
        {"files": {"key": (None, "sandbox-live"), "prompt": (None, "a fox")}},
        {"json": {"prompt": "a fox"}, "headers": {"Authorization": "Bearer sandbox-live"}},
        {"json": {"prompt": "a fox"}, "headers": {"x-api-key": "sandbox-live"}},
        {"json": {"prompt": "a fox"}, "headers": {"key": "sandbox-live"}},
        {"json": {"prompt": "a fox"}, "params": {"key": "sandbox-live"}},
    ],
    ids=["body", "form", "multipart", "bearer", "x-api-key", "key header", "query"],
)
def test_the_key_is_found_where_clients_put_it(sandbox: Running, placed: dict[str, object]) -> None:
    url = f"{sandbox.url}/api/v6/images/text2img"
    assert requests.request("POST", url, timeout=PATIENCE, **placed).status_code == 200


def test_a_balance_is_free_to_ask_for(sandbox: Running) -> None:
    url = f"{sandbox.url}/api/wallet_balance"
    answer = requests.post(url, json={"key": "sandbox-live"}, timeout=PATIENCE)
    assert answer.json()["data"]["balance"] > 0


def test_async_work_is_ready_at_the_second_fetch_and_only_for_its_own_key(
    sandbox: Running,
) -> None:
    started = sandbox.text2img("sandbox-async").json()
    assert started["status"] == "processing"

    def fetch(key: str) -> str:
        answer = requests.post(started["fetch_result"], json={"key": key}, timeout=PATIENCE)
        return str(answer.json()["status"])

    assert fetch("sandbox-live") == "failed"
    assert fetch("sandbox-async") == "processing"
    assert fetch("sandbox-async") == "success"


def test_broken_answers_are_not_json(sandbox: Running) -> None:
    html = sandbox.text2img("sandbox-broken")
    assert html.headers["content-type"].startswith("text/html")
    with pytest.raises(requests.JSONDecodeError):
        sandbox.text2img("sandbox-broken-json").json()


def test_a_slow_key_waits_as_long_as_it_says(sandbox: Running) -> None:
    began = time.monotonic()
    assert sandbox.text2img("sandbox-slow-0.3").status_code == 200
    assert time.monotonic() - began >= 0.3


@pytest.mark.parametrize("key", ["sandbox-reset", "sandbox-cut"])
def test_a_connection_can_break(sandbox: Running, key: str) -> None:
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        sandbox.text2img(key)


def test_a_live_answer_takes_well_under_a_millisecond(sandbox: Running) -> None:
    """The fastest of many: what the machine can do when nothing else runs on it."""
    with requests.Session() as session:
        body = {"key": "sandbox-live", "prompt": "a fox"}
        fastest = min(
            session.post(
                f"{sandbox.url}/api/v6/images/text2img", json=body, timeout=PATIENCE
            ).elapsed.total_seconds()
            for _ in range(300)
        )
    assert fastest < 0.002 * SLACK  # the client's own share included
