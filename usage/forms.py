"""The filters of the calls explorer. All of them live in the URL."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.db.models import QuerySet
from django.urls import reverse

from keys import providers
from keys.models import AppKey, Application, ProviderKey
from usage.charts import DEFAULT_RANGE, RANGES, WORDS
from usage.stats import Filter, Wanted

KEYS_OFFERED = 500
ANY = [("", "any")]
RARE = ("since", "until", "version", "caller", "address", "request_id")


def iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter in force, to be seen and to be taken away."""

    name: str
    words: str
    value: str
    shown: str
    without: str  # the address without it


class InstantField(forms.CharField):
    """A moment with its zone. static/js/calls.js offers the reader's own clock for it."""

    def __init__(self, *, label: str) -> None:
        widget = forms.TextInput({"placeholder": "2026-01-31T12:00Z", "data-instant": ""})
        super().__init__(required=False, max_length=40, label=label, widget=widget)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            at = datetime.fromisoformat(text.replace(" ", "+"))
        except ValueError:
            at = datetime.min
        if at.tzinfo is None or not 1970 <= at.year <= 9000:
            raise forms.ValidationError("A time with its zone is needed: 2026-01-31T12:00Z.")
        return at.astimezone(UTC)


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
    since = InstantField(label="From")
    until = InstantField(label="To")
    version = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=2**31 - 1,
        label="Version of the key",
        widget=forms.NumberInput({"placeholder": "any"}),
    )
    caller = forms.CharField(required=False, max_length=100, label="Caller (wrapper)")
    address = forms.CharField(required=False, max_length=45, label="Caller’s address")
    request_id = forms.UUIDField(required=False, label="Request id")
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
        told = providers.names(key.provider for key in provider_keys)
        self._offer("provider", sorted(told.items(), key=lambda one: one[1].lower()))
        self.is_valid()

    def _offer(self, name: str, choices: Iterable[tuple[str, str]]) -> None:
        field = self.fields[name]
        if isinstance(field, forms.ChoiceField):
            field.choices = [*ANY, *choices]

    @property
    def usual(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name not in {*RARE, "live"}]

    @property
    def rare(self) -> list[forms.BoundField]:
        """Those that most never need: shown when asked for, or when one is chosen."""
        return [self[name] for name in RARE]

    @property
    def is_rare(self) -> bool:
        return any(self.cleaned_data.get(name) or name in self.errors for name in RARE)

    @property
    def complaint(self) -> str:
        """What is wrong with the filters, a line each; empty: nothing."""
        told = {name: " ".join(map(str, words)) for name, words in self.errors.items()}
        return "\n".join(f"{name}: {words}" for name, words in told.items())

    @property
    def is_live(self) -> bool:
        return bool(self.cleaned_data.get("live"))

    def narrow(self, chosen: Filter) -> Wanted:
        """The scope's filter, narrowed by what only the explorer knows."""
        told = self.cleaned_data
        common = {field.name: getattr(chosen, field.name) for field in fields(chosen)}
        version = "provider_key_version" if self._is_of_theirs else "app_key_version"
        own = {name: told.get(name) or "" for name in ("outcome", "endpoint", "caller", "address")}
        own |= {"status": told.get("status"), version: told.get("version")}
        wanted = Wanted(**common | own, request_id=told.get("request_id"))
        # An id is one call's, whenever that was.
        return replace(wanted, since=None, until=None) if wanted.request_id else wanted

    @property
    def _is_of_theirs(self) -> bool:
        return bool(self.cleaned_data.get("provider_key") and not self.cleaned_data.get("app_key"))

    def span(self, now: datetime) -> tuple[datetime, datetime]:
        """What is looked at: between the two times, where they are given, else the range."""
        until = self.cleaned_data.get("until") or now
        chosen = RANGES.get(self.cleaned_data.get("range") or "", DEFAULT_RANGE)
        return self.cleaned_data.get("since") or until - chosen.length, until

    @property
    def chips(self) -> list[Chip]:
        """What is narrowed by; the switch for live calls and the usual range narrow nothing."""
        return [
            Chip(name, str(self[name].label).lower(), value, self._shown(name, value), without)
            for name, value in self._kept().items()
            if name != "live"
            for without in [self.url(**{name: ""})]
        ]

    def _shown(self, name: str, value: str) -> str:
        widget = self.fields[name].widget
        choices = dict(widget.choices) if isinstance(widget, forms.Select) else {}
        return str(choices.get(value, value))

    def _kept(self) -> dict[str, str]:
        """What is chosen and isn't what goes without saying, as the address says it."""
        kept = {name: value for name, value in self.cleaned_data.items() if value not in ("", None)}
        kept |= {edge: iso(kept[edge]) for edge in ("since", "until") if edge in kept}
        if kept.pop("live", False):
            kept["live"] = "on"
        if kept.get("range") == DEFAULT_RANGE.name:
            del kept["range"]
        return {name: str(value) for name, value in kept.items()}

    def url(self, name: str = "calls", *args: str, **more: str) -> str:
        """The address of the explorer (or of what goes with it) with these filters and nothing
        that isn't chosen. A filter told as "" is taken away."""
        kept = self._kept() | more
        if name != "calls":
            kept.pop("live", None)
        query = urlencode({name: value for name, value in kept.items() if value})
        return reverse(name, args=args) + (f"?{query}" if query else "")
