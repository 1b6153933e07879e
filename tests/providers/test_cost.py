"""What a call cost: as the provider itself reports it, and never a guess."""

import json

import pytest

from keys.models import Provider
from keys.providers.answers import MOST_DOLLARS, MOST_TOKENS
from keys.providers.base import ProviderSpec
from keys.providers.custom import spec_of
from keys.providers.modelslab import MODELSLAB
from keys.providers.openrouter import OPENROUTER
from keys.providers.registry import BUILT_IN
from keys.providers.sandbox import sandbox
from keys.providers.xai import XAI as BUILT_IN_XAI

XAI = spec_of(
    Provider(slug="grok", name="Grok", base_url="https://api.x.ai", credential_in="bearer")
)


def cost(spec: ProviderSpec, usage: object, status: int = 200) -> int:
    body = json.dumps({"usage": usage}).encode()
    return spec.read(status, "application/json", body).cost_nanos


@pytest.mark.parametrize(
    ("spec", "usage", "nanos"),
    [
        (OPENROUTER, {"cost": 0.95, "cost_details": {"upstream_inference_cost": 19}}, 950_000_000),
        (OPENROUTER, {"cost": 0.00000015}, 150),
        (OPENROUTER, {"cost": 1.5e-8}, 15),
        (OPENROUTER, {"cost": 3}, 3_000_000_000),
        (OPENROUTER, {"cost": 0}, 0),
        (OPENROUTER, {"prompt_tokens": 3}, 0),
        (XAI, {"cost_in_usd_ticks": 37_756_000}, 3_775_600),
        (XAI, {"cost": 0.5}, 0),
        (sandbox(8001), {"cost": 0.000123}, 123_000),
        (MODELSLAB, {"cost": 0.5}, 0),
    ],
)
def test_it_is_read_where_the_provider_says_it_in_dollars(
    spec: ProviderSpec, usage: object, nanos: int
) -> None:
    assert cost(spec, usage) == nanos


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.slug)
def test_no_other_provider_is_believed_to_report_one(spec: ProviderSpec) -> None:
    told = {"cost": 0.5, "cost_in_usd_ticks": 10**9, "total_cost": 1, "estimated_cost": 1}
    assert bool(cost(spec, told)) is (spec in (OPENROUTER, BUILT_IN_XAI))


@pytest.mark.parametrize(
    "told", [-0.5, True, "0.5", None, [0.5], {"total_cost": 0.5}, MOST_DOLLARS + 1, 10**30, 1e300]
)
def test_what_is_no_price_of_a_call_counts_as_none(told: object) -> None:
    assert cost(OPENROUTER, {"cost": told}) == 0


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
def test_numbers_that_are_none_count_as_none(text: str) -> None:
    body = f'{{"usage": {{"prompt_tokens": 1, "cost": {text}}}}}'.encode()
    assert OPENROUTER.read(200, "application/json", body).cost_nanos == 0


def test_a_stream_costs_what_its_last_count_says() -> None:
    stream = (
        b'data: {"choices": []}\n\ndata: {"usage": {"prompt_tokens": 9, "cost": 0.0001}}\n\n'
        b'data: {"usage": {"prompt_tokens": 9, "cost": 0.0004}}\n\ndata: [DONE]\n\n'
    )
    reading = OPENROUTER.read(200, "text/event-stream", stream)
    assert (reading.tokens_in, reading.cost_nanos) == (9, 400_000)


def test_the_responses_api_reports_it_inside_its_last_event() -> None:
    stream = b'data: {"type": "response.completed", "response": {"usage": {"cost": 0.002}}}\n\n'
    assert OPENROUTER.read(200, "text/event-stream", stream).cost_nanos == 2_000_000


def test_a_call_that_failed_may_have_cost_something() -> None:
    stream = b'data: {"error": {"code": 502}, "usage": {"completion_tokens": 4, "cost": 0.01}}\n\n'
    assert OPENROUTER.read(200, "text/event-stream", stream).cost_nanos == 10_000_000


def test_a_count_of_tokens_that_would_overflow_the_ledgers_sums_is_none() -> None:
    body = json.dumps({"usage": {"prompt_tokens": MOST_TOKENS, "completion_tokens": 5}}).encode()
    reading = MODELSLAB.read(200, "application/json", body)
    assert (reading.tokens_in, reading.tokens_out) == (0, 5)
