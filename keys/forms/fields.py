"""Fields that several forms share: a secret, a list by lines, an overlap, an end date."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils import timezone

from keys.lifecycle import Invalid
from keys.lifecycle.inputs import clean_expiry

CUSTOM = "custom"
OVERLAPS = [
    ("0", "None: the old secret stops now"),
    ("3600", "1 hour"),
    ("86400", "24 hours"),
    ("604800", "7 days"),
    ("2592000", "30 days"),
    (CUSTOM, "Another time"),
]
SILENCES = [
    ("", "It stops all the same"),
    ("900", "It stops once it has been silent for 15 minutes"),
    ("3600", "It stops once it has been silent for 1 hour"),
    ("86400", "It stops once it has been silent for 24 hours"),
]
EXPIRIES = [
    ("", "Never"),
    ("7", "In 7 days"),
    ("30", "In 30 days"),
    ("90", "In 90 days"),
    ("365", "In a year"),
    (CUSTOM, "On a date"),
]


def asking(clean: Callable[[Any], object]) -> Callable[[Any], None]:
    """A validator that asks the domain: what it refuses is told with all else that is wrong."""

    def ask(value: Any) -> None:
        try:
            clean(value)
        except Invalid as error:
            raise forms.ValidationError(error.message) from None

    return ask


class SecretField(forms.CharField):
    """A secret: never rendered back. Whitespace stays, the domain trims and the page says so."""

    def __init__(self, **options: Any) -> None:
        attrs = {
            "autocomplete": "new-password",
            "spellcheck": "false",
            "autocapitalize": "none",
            "class": "font-monospace",
            "data-1p-ignore": "",
            "data-lpignore": "true",
        }
        widget = forms.PasswordInput(render_value=False, attrs=attrs)
        super().__init__(widget=widget, strip=False, **options)


class LinesField(forms.CharField):
    """A list written one entry a line; an empty list is None. `rule` is the domain's."""

    def __init__(self, *, rule: Callable[[list[str]], object], **options: Any) -> None:
        self.rule = asking(rule)
        attrs = {"rows": 2, "class": "font-monospace", "spellcheck": "false"}
        super().__init__(widget=forms.Textarea(attrs=attrs), required=False, **options)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        entries = [line.strip() for line in text.replace(",", "\n").splitlines()]
        found = [entry for entry in entries if entry]
        wrong: list[forms.ValidationError] = []
        for entry in dict.fromkeys(found):
            try:
                self.rule([entry])
            except forms.ValidationError as error:
                wrong.append(error)
        if wrong:
            raise forms.ValidationError(wrong)
        if found:
            self.rule(found)
        return found or None

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value


class ExtendForm(forms.Form):
    """How long an old secret goes on working from now; to end it now is another act."""

    overlap = forms.ChoiceField(
        choices=OVERLAPS[1:], initial="86400", label="The old secret goes on working for"
    )
    overlap_hours = forms.FloatField(
        required=False, min_value=0, max_value=24 * 365, label="Hours of overlap"
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("overlap") == CUSTOM and data.get("overlap_hours") is None:
            self.add_error("overlap_hours", "How many hours?")
        return data

    def overlap_seconds(self) -> int:
        if self.cleaned_data["overlap"] == CUSTOM:
            return int(self.cleaned_data["overlap_hours"] * 3600)
        return int(self.cleaned_data["overlap"])


class OverlapForm(ExtendForm):
    """How long, or not at all, and whether its use decides."""

    overlap = forms.ChoiceField(
        choices=OVERLAPS, initial="86400", label="The old secret goes on working for"
    )
    silent = forms.ChoiceField(
        choices=SILENCES,
        required=False,
        label="If it is still used by then",
        help_text="With a silence, its end is put off while it is used, and you are told.",
    )

    def silent_seconds(self) -> int | None:
        return int(self.cleaned_data["silent"]) if self.cleaned_data["silent"] else None


class ExpiryForm(forms.Form):
    """When something stops by itself."""

    expires = forms.ChoiceField(choices=EXPIRIES, required=False, label="Expires")
    expires_on = forms.DateField(
        required=False,
        label="Last day (UTC)",
        widget=forms.DateInput(attrs={"type": "date"}),
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("expires") == CUSTOM and data.get("expires_on") is None:
            self.add_error("expires_on", "Which day?")
        elif data.get("expires") == CUSTOM:
            try:
                clean_expiry(_end_of(data["expires_on"]))
            except Invalid as error:
                self.add_error("expires_on", error.message)
        return data

    def expires_at(self) -> datetime | None:
        choice = self.cleaned_data["expires"]
        if choice == CUSTOM:
            return _end_of(self.cleaned_data["expires_on"])
        return timezone.now() + timedelta(days=int(choice)) if choice else None


def _end_of(day: date) -> datetime:
    return datetime.combine(day, time.max, UTC)
