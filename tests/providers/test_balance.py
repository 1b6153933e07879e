"""What an account may still spend, as the answer to the probe tells it."""

import json

import pytest

from keys.providers.answers import Balance
from keys.providers.base import ProviderSpec
from keys.providers.modelslab import MODELSLAB
from keys.providers.openrouter import OPENROUTER
from keys.providers.registry import BUILT_IN
from keys.providers.stripe import STRIPE


def balance(spec: ProviderSpec, data: object) -> Balance | None:
    return spec.balance_of("application/json", json.dumps(data).encode())


@pytest.mark.parametrize(
    ("spec", "data", "told"),
    [
        (MODELSLAB, {"data": {"balance": 43.6, "currency": "USD"}}, Balance(43.6, "USD")),
        (MODELSLAB, {"balance": 7}, Balance(7.0)),
        (MODELSLAB, {"data": {"balance": "12.50", "currency": "eur"}}, Balance(12.5, "EUR")),
        (MODELSLAB, {"data": {"balance": 0, "currency": "USD"}}, Balance(0.0, "USD")),
        (MODELSLAB, {"data": {"balance": -3.2, "currency": "USD"}}, Balance(-3.2, "USD")),
        (MODELSLAB, {"data": {"currency": "USD"}}, None),
        (MODELSLAB, {"data": [1]}, None),
        (OPENROUTER, {"data": {"limit": 100, "limit_remaining": 74.5}}, Balance(74.5, "USD")),
        (OPENROUTER, {"data": {"limit": None, "limit_remaining": None}}, None),
        (OPENROUTER, {"data": [], "limit_remaining": 3}, None),
        # What its customers paid: not what the key may spend, and nobody else's to see.
        (STRIPE, {"available": [{"amount": 5, "currency": "usd"}], "balance": 5}, None),
    ],
)
def test_it_is_read_where_the_probe_tells_it(
    spec: ProviderSpec, data: object, told: Balance | None
) -> None:
    assert balance(spec, data) == told


@pytest.mark.parametrize(
    "amount", [True, None, [], {}, "", "much", "1e9", "NaN", " 5", "٣", "9" * 40, 10**30, -1e300]
)
def test_what_is_no_amount_is_no_balance(amount: object) -> None:
    assert balance(MODELSLAB, {"balance": amount}) is None


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_none_are_no_balance(text: str) -> None:
    body = f'{{"status": "success", "balance": {text}}}'.encode()
    assert MODELSLAB.balance_of("application/json", body) is None


@pytest.mark.parametrize("currency", ["<b>", "USDT", 5, None, "U\0D", "ßß"])
def test_a_currency_that_is_no_code_is_left_out(currency: object) -> None:
    told = balance(MODELSLAB, {"balance": 5, "currency": currency})
    assert told == Balance(5.0, "")


@pytest.mark.parametrize("spec", BUILT_IN, ids=lambda spec: spec.slug)
@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"<html>", b'{"data": 1}', b"\xff"])
def test_any_answer_is_looked_at_without_an_error(spec: ProviderSpec, body: bytes) -> None:
    assert spec.balance_of("application/json", body) is None
