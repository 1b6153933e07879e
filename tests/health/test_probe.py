"""One probe over a real connection: what it sends, and what each answer means."""

import json
import logging

import pytest
from pytest_django import Settings

from keys import providers, validation
from keys.states import Verdict
from keys.vault import Secret
from tests.health.conftest import LIVE, REFUSED
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db
SECRET = Secret('ml-"secret/+é with everything')


def test_modelslab_is_asked_for_its_balance_and_nothing_else(allow_upstream: Upstream) -> None:
    allow_upstream.answer(200, LIVE)
    evidence = validation.probe(providers.get("modelslab"), SECRET)
    assert (evidence.meaning, evidence.status) == (Verdict.LIVE, 200)
    assert evidence.latency_ms > 0
    assert (evidence.balance, evidence.currency) == (43.6, "USD")
    (sent,) = allow_upstream.requests
    assert (sent.method, sent.target) == ("POST", "/api/wallet_balance")
    assert sent.json() == {"key": SECRET.reveal()}


@pytest.mark.parametrize(
    ("status", "body", "meaning"),
    [
        (200, {"status": "success", "balance": 1}, Verdict.LIVE),
        (401, REFUSED, Verdict.DEAD),
        (200, REFUSED, Verdict.DEAD),
        (400, {"status": "error", "messege": "Invalid Api Key"}, Verdict.DEAD),
        (402, {"status": "error", "message": "Insufficient credits."}, Verdict.EXHAUSTED),
        (200, {"status": "error", "message": "Insufficient credits."}, Verdict.EXHAUSTED),
        (403, {"status": "error", "message": "Feature not available"}, Verdict.LIMITED),
        (200, {"status": "error", "message": "Invalid API Request"}, Verdict.UNKNOWN),
        (404, {"message": "Not Found"}, Verdict.UNKNOWN),
        (429, {"status": "error", "message": "Rate limit exceeded"}, Verdict.UNKNOWN),
        (500, {"status": "error", "message": "Invalid API key"}, Verdict.UNKNOWN),
        (503, "<html>Maintenance</html>", Verdict.UNKNOWN),
        (200, "<html>Welcome to the hotel's network</html>", Verdict.UNKNOWN),
        (302, b"", Verdict.UNKNOWN),
        (200, b"", Verdict.UNKNOWN),
    ],
)
def test_each_answer_means_what_it_says_of_the_key(
    allow_upstream: Upstream, status: int, body: object, meaning: Verdict
) -> None:
    allow_upstream.answer(status, body, headers={"Location": "/elsewhere"})
    assert validation.probe(providers.get("modelslab"), SECRET).meaning is meaning
    assert len(allow_upstream.requests) == 1


def test_a_balance_is_no_verdict(allow_upstream: Upstream) -> None:
    allow_upstream.answer(200, {"status": "success", "data": {"balance": 0, "currency": "USD"}})
    evidence = validation.probe(providers.get("modelslab"), SECRET)
    assert (evidence.meaning, evidence.balance) == (Verdict.LIVE, 0.0)


def test_a_refusal_tells_no_balance(allow_upstream: Upstream) -> None:
    allow_upstream.answer(402, {"status": "error", "message": "Insufficient", "balance": 1})
    evidence = validation.probe(providers.get("modelslab"), SECRET)
    assert (evidence.meaning, evidence.balance) == (Verdict.EXHAUSTED, None)


def test_no_answer_means_unknown_and_says_why(allow_upstream: Upstream, settings: Settings) -> None:
    allow_upstream.answer(hang_up=True)
    evidence = validation.probe(providers.get("modelslab"), SECRET)
    assert (evidence.meaning, evidence.status, evidence.code) == (Verdict.UNKNOWN, 0, "reset")
    settings.OUTBOUND_ALLOW = []
    evidence = validation.probe(providers.get("modelslab"), SECRET)
    assert (evidence.meaning, evidence.code) == (Verdict.UNKNOWN, "blocked")


@pytest.mark.parametrize("slug", ["openai", "anthropic"])
def test_a_secret_that_the_provider_repeats_is_masked(
    allow_upstream: Upstream, settings: Settings, slug: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    settings.PROVIDER_URLS = {slug: allow_upstream.url}
    told = f"Incorrect API key provided: {SECRET.reveal()}. {'x' * 500}"
    allow_upstream.answer(401, {"error": {"code": "invalid_api_key", "message": told}})
    evidence = validation.probe(providers.get(slug), SECRET)
    assert evidence.meaning is Verdict.DEAD
    assert evidence.message.startswith("Incorrect API key provided: [key]. x")
    assert len(evidence.message) == 200
    for text in (repr(evidence), json.dumps(evidence.as_json()), caplog.text):
        assert SECRET.reveal() not in text
