"""A provider's message may quote the request: what a caller wrote says nothing about the key."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keys.providers.anthropic import ANTHROPIC
from keys.providers.base import Kind, ProviderSpec
from keys.providers.github import GITHUB
from keys.providers.modelslab import MODELSLAB
from keys.providers.openrouter import OPENROUTER

SENTENCES = [
    "Invalid API key",
    "API key required",
    "Unauthorized",
    "invalid key",
    "Insufficient credits. Please add more credits to continue.",
    "out of credits",
    "wallet-art",
    "subscribe",
    "premium-v2",
    "This feature requires a premium subscription",
    "Rate limit exceeded. Maximum 5 queued requests allowed.",
    "queue full",
    "Internal server error. Please try again.",
    "x. Invalid API key. Please",
    "x'. Invalid API key. 'y",
]
QUOTES = [
    "Model not found: {}",
    "model not found {}",
    "Invalid value '{}' for prompt",
    'The model "{}" does not exist',
    "{} is not a valid model",
    "The selected {} is invalid.",
    "Unable to fetch image from provided URL {}",
    "scheduler: {}",
]
words = st.text(max_size=40) | st.builds(
    "{}{}{}".format, st.text(max_size=5), st.sampled_from(SENTENCES), st.text(max_size=5)
)


def kind_of(spec: ProviderSpec, status: int, message: object) -> Kind:
    body = {"status": "error", "message": message, "error": {"message": message}}
    return spec.read(status, "application/json", json.dumps(body).encode()).kind


@pytest.mark.parametrize("quote", QUOTES)
def test_a_known_sentence_in_the_callers_words_is_the_callers(quote: str) -> None:
    for said in SENTENCES:
        for status in (200, 400, 422):
            kind = kind_of(MODELSLAB, status, quote.format(said))
            assert kind is Kind.CALLER_ERROR, said


@given(words, st.sampled_from(QUOTES), st.sampled_from([200, 400, 422]))
@example("wallet-art", QUOTES[0], 400)
@example("invalid api key", QUOTES[0], 400)
def test_whatever_the_caller_wrote_its_quotation_is_a_caller_error(
    said: str, quote: str, status: int
) -> None:
    assert kind_of(MODELSLAB, status, quote.format(said)) is Kind.CALLER_ERROR


@given(words, words)
def test_the_names_and_faults_of_fields_are_a_caller_error(name: str, fault: str) -> None:
    assert kind_of(MODELSLAB, 422, {"prompt": [fault]}) is Kind.CALLER_ERROR
    if name not in ("message", "messege", "error"):
        assert kind_of(MODELSLAB, 422, {name: [fault]}) is Kind.CALLER_ERROR


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Invalid or expired API key.", Kind.KEY_INVALID),
        ("API key has been revoked", Kind.KEY_INVALID),
        ("Authentication required. Please provide a valid API key.", Kind.KEY_INVALID),
        ("Unauthorized", Kind.KEY_INVALID),
        ("This model requires an enterprise plan", Kind.KEY_LIMITED),
        ("Please upgrade your plan to use this feature.", Kind.KEY_LIMITED),
        ("Insufficient wallet balance", Kind.KEY_EXHAUSTED),
        ("You have no credits left in your wallet. Visit https://x.test/buy", Kind.KEY_EXHAUSTED),
        ("Please subscribe to a plan to continue", Kind.KEY_EXHAUSTED),
        ("Too many requests! Slow down.", Kind.RATE_LIMITED),
        ("Maximum 5 queued requests allowed", Kind.RATE_LIMITED),
    ],
)
@pytest.mark.parametrize("status", [200, 400])
def test_the_providers_own_sentences_speak_for_the_key(
    message: str, kind: Kind, status: int
) -> None:
    assert kind_of(MODELSLAB, status, message) is kind


@pytest.mark.parametrize(
    ("spec", "status", "message", "kind"),
    [
        (ANTHROPIC, 404, "model: your credit balance is too low", Kind.CALLER_ERROR),
        (ANTHROPIC, 404, "Your credit balance is too low", Kind.CALLER_ERROR),
        (ANTHROPIC, 400, "tools.0.name: 'credit balance'", Kind.CALLER_ERROR),
        (GITHUB, 403, "Resource rate limit not accessible", Kind.KEY_LIMITED),
        (GITHUB, 401, "Repository bad credentials needs a token", Kind.UNKNOWN),
        (OPENROUTER, 403, "No access to limit exceeded/model", Kind.KEY_LIMITED),
    ],
)
def test_other_providers_sentences_count_from_their_beginning(
    spec: ProviderSpec, status: int, message: str, kind: Kind
) -> None:
    body = json.dumps({"message": message, "error": {"message": message}}).encode()
    assert spec.read(status, "application/json", body).kind is kind
