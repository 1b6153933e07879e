"""The filters of the calls explorer. All of them live in the URL."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.db.models import QuerySet
from django.urls import reverse

from keys.models import AppKey, Application, ProviderKey
from usage.charts import DEFAULT_RANGE, RANGES, WORDS
from usage.stats import Filter

KEYS_OFFERED = 500
ANY = [("", "any")]


class CallsForm(forms.Form):
    """What is chosen. A value that is not on offer counts as not chosen, and says so."""

    application = forms.ChoiceField(required=False)
    provider = forms.ChoiceField(required=False)
    app_key = forms.ChoiceField(required=False, label="App key")
    provider_key = forms.ChoiceField(required=False, label="Provider key")
    outcome = forms.ChoiceField(required=False, choices=[*ANY, *WORDS.items()])
    status = forms.IntegerField(
        required=False, min_value=0, max_value=999, widget=forms.NumberInput({"placeholder": "any"})
    )
    endpoint = forms.CharField(
        required=False,
        max_length=200,
        widget=forms.TextInput({"placeholder": "/api/v6/images/text2img"}),
    )
    range = forms.ChoiceField(
        required=False,
        choices=[(row.name, f"last {row.words}") for row in RANGES.values()],
    )
    live = forms.BooleanField(
        required=False, widget=forms.CheckboxInput({"class": "form-check-input", "role": "switch"})
    )

    def __init__(self, data: Any, *, applications: QuerySet[Application]) -> None:
        data = data.copy()
        data.setdefault("range", DEFAULT_RANGE.name)
        super().__init__(data, auto_id="filter_%s")
        seen = list(applications)
        self._offer("application", [(row.slug, row.name) for row in seen])
        slug = data.get("application")
        chosen = [row.id for row in seen if not slug or row.slug == slug]
        provider_keys = list(
            ProviderKey.objects.filter(application__in=chosen).order_by("name")[:KEYS_OFFERED]
        )
        app_keys = AppKey.objects.filter(application__in=chosen).order_by("name")[:KEYS_OFFERED]
        self._offer("provider_key", [(key.id, key.name) for key in provider_keys])
        self._offer("app_key", [(key.id, key.name) for key in app_keys])
        slugs = sorted({key.provider for key in provider_keys})
        self._offer("provider", [(slug, slug) for slug in slugs])
        self.is_valid()

    def _offer(self, name: str, choices: Iterable[tuple[str, str]]) -> None:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            field.choices = [*ANY, *choices]

    @property
    def is_live(self) -> bool:
        return bool(self.cleaned_data.get("live"))

    def narrow(self, chosen: Filter) -> Filter:
        """The scope's filter, narrowed by what only the explorer knows."""
        return replace(
            chosen,
            outcome=self.cleaned_data.get("outcome") or "",
            status=self.cleaned_data.get("status"),
            endpoint=self.cleaned_data.get("endpoint") or "",
        )

    def since(self, now: datetime) -> datetime:
        chosen = RANGES.get(self.cleaned_data.get("range") or "", DEFAULT_RANGE)
        return now - chosen.length

    def url(self, **more: str) -> str:
        """The explorer's address with these filters and nothing that isn't chosen."""
        kept = {name: value for name, value in self.cleaned_data.items() if value not in ("", None)}
        if not kept.get("live"):
            kept.pop("live", None)
        else:
            kept["live"] = "on"
        if kept.get("range") == DEFAULT_RANGE.name:
            del kept["range"]
        query = urlencode(kept | more)
        return reverse("calls") + (f"?{query}" if query else "")
