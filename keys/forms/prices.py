"""What a provider charges: a line for each pattern, and some to fill in."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.forms import BoundField

from keys.lifecycle import MOST_PRICES, PriceGiven

BLANK = 3  # lines to fill in
PATTERN = "pattern"
AMOUNTS = {
    "per_call": "Per call",
    "per_1k_tokens_in": "Per 1,000 tokens in",
    "per_1k_tokens_out": "Per 1,000 tokens out",
}
SHORT = {"per_call": "a call", "per_1k_tokens_in": "1k in", "per_1k_tokens_out": "1k out"}
COLUMNS = {PATTERN: "Endpoint"} | AMOUNTS
Line = dict[str, str]


class PricesForm(forms.Form):
    """Fields are named as the domain names them, `prices.<line>.<name>`: lines left empty are
    dropped, so that both count alike."""

    def __init__(
        self, data: Mapping[str, str] | None = None, *, prices: Sequence[PriceGiven] = ()
    ) -> None:
        lines = _told(prices) if data is None else _posted(data)
        texts = {
            _name(line, name): text
            for line, told in enumerate(lines)
            for name, text in told.items()
        }
        super().__init__(None if data is None else texts, initial=texts)
        self.filled = len(lines)
        for line in range(self.filled + BLANK):
            for name, label in COLUMNS.items():
                self.fields[_name(line, name)] = _field(name, f"{label}, line {line + 1}")

    def rows(self) -> list[list[BoundField]]:
        """The fields line by line, for the template."""
        lines = range(self.filled + BLANK)
        return [[self[_name(line, name)] for name in COLUMNS] for line in lines]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for line in range(self.filled):
            name = _name(line, PATTERN)
            if name not in self.errors and not data.get(name):
                self.add_error(name, "Which endpoints?")
        return data

    def given(self) -> list[PriceGiven]:
        data = self.cleaned_data
        return [
            PriceGiven(
                pattern=data[_name(line, PATTERN)],
                **{name: data[_name(line, name)] or Decimal(0) for name in AMOUNTS},
            )
            for line in range(self.filled)
        ]


def _name(line: int, name: str) -> str:
    return f"prices.{line}.{name}"


def _posted(data: Mapping[str, str]) -> list[Line]:
    lines = (
        {name: data.get(_name(line, name), "").strip() for name in COLUMNS}
        for line in range(MOST_PRICES + BLANK)
    )
    return [line for line in lines if any(line.values())]


def _told(prices: Sequence[PriceGiven]) -> list[Line]:
    return [
        {PATTERN: price.pattern}
        | {name: f"{amount.normalize():f}" for name in AMOUNTS if (amount := getattr(price, name))}
        for price in prices
    ]


def _field(name: str, label: str) -> forms.Field:
    if name == PATTERN:
        shape = {"placeholder": "/v1/images/*", "aria-label": label, "spellcheck": "false"}
        return forms.CharField(required=False, label=label, widget=forms.TextInput(shape))
    shape = {"inputmode": "decimal", "placeholder": SHORT[name], "aria-label": label}
    widget = forms.TextInput(shape)
    return forms.DecimalField(min_value=0, required=False, label=label, widget=widget)
