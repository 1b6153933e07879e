"""What the rankings are asked for. All of it lives in the URL."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import QuerySet

from keys import providers
from keys.models import Application, ProviderKey
from usage.charts import DEFAULT_RANGE, RANGES
from usage.forms import ANY

BY = {
    "app_key": "App keys",
    "provider_key": "Provider keys",
    "application": "Applications",
    "provider": "Providers",
    "endpoint": "Endpoints",
    "caller": "Callers",
    "status": "HTTP statuses",
    "outcome": "Outcomes",
    "version": "Versions of the key",
}
ORDERS = {
    "requests": "requests",
    "errors": "errors",
    "error_rate": "error rate",
    "latency": "latency, p95",
    "cost": "cost",
    "tokens": "tokens",
    "bytes": "bytes",
}
LEAST = (10, 100, 1000)
# A rate of few calls says little; a sum of few says what it says.
FEW = {"error_rate": 10, "latency": 10}
SILENCE = {"7": "7 days", "30": "30 days", "90": "90 days"}
USUAL_SILENCE = "30"
OWN = ("by", "order", "direction", "at_least")  # what a scope's address doesn't say


@dataclass(frozen=True, slots=True)
class Asked:
    """What is ranked, and the part of the address that says so."""

    by: str
    order: str
    bottom: bool
    at_least: int
    told: dict[str, str]


class RankingForm(forms.Form):
    """A value that is not on offer counts as not chosen."""

    by = forms.ChoiceField(required=False, choices=list(BY.items()), label="Rank")
    order = forms.ChoiceField(required=False, choices=list(ORDERS.items()), label="By")
    direction = forms.ChoiceField(
        required=False, choices=[("top", "most first"), ("bottom", "least first")], label="Order"
    )
    at_least = forms.ChoiceField(
        required=False,
        choices=[("", "as it fits"), *((str(n), f"{n:,} calls") for n in LEAST)],
        label="Of at least",
    )
    application = forms.ChoiceField(required=False)
    provider = forms.ChoiceField(required=False)
    range = forms.ChoiceField(
        required=False, choices=[(row.name, f"last {row.words}") for row in RANGES.values()]
    )

    def __init__(self, data: Any, *, applications: QuerySet[Application]) -> None:
        data = data.copy()
        for name, usual in {
            "by": "app_key",
            "order": "requests",
            "direction": "top",
            "range": DEFAULT_RANGE.name,
        }.items():
            if not data.get(name):
                data[name] = usual
        super().__init__(data, auto_id="ranking_%s")
        seen = applications.order_by("name").values_list("slug", "name")
        self._offer("application", list(seen))
        mine = ProviderKey.objects.filter(application__in=applications)
        told = providers.names(mine.order_by().values_list("provider", flat=True).distinct())
        self._offer("provider", sorted(told.items(), key=lambda one: one[1].lower()))
        self.is_valid()

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            field.choices = [*ANY, *choices]

    def asked(self) -> Asked:
        data = self.cleaned_data
        order = data.get("order") or "requests"
        return Asked(
            by=data.get("by") or "app_key",
            order=order,
            bottom=data.get("direction") == "bottom",
            at_least=int(data.get("at_least") or FEW.get(order, 1)),
            told={name: value for name, value in data.items() if value and name in OWN},
        )
