"""Forms of rules and channels. Which fields show depends on the condition and on the kind."""

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms

from keys.models import AppKey, Application, ProviderKey
from keys.providers import all_specs
from usage.alerts.conditions import CONDITIONS, Condition, Param
from usage.models import AlertChannel, AlertRule

EVERYTHING = ""
KEYS_OFFERED = 300
# name of a parameter -> its label
LABELS = {
    "verdicts": "Verdicts that are told",
    "percent": "From so many percent",
    "minutes": "In the last minutes",
    "calls": "Of at least so many calls",
    "each": "Looked at for each",
    "milliseconds": "From so many milliseconds (p95)",
    "amount": "Below this amount (in the provider’s currency)",
    "dollars_per_day": "From so many US dollars a day (0: never)",
    "times": "Or so many times the week before (0: never)",
    "hours": "Hours",
    "days": "Days",
    "seconds": "From so many seconds",
}
COOLDOWNS = [
    ("0", "Every time"),
    ("300", "At most once in 5 minutes"),
    ("3600", "At most once an hour"),
    ("86400", "At most once a day"),
]
KINDS = [
    ("webhook", "Webhook: JSON, signed"),
    ("slack", "Slack, Mattermost or another that takes its webhooks"),
    ("email", "E-mail"),
]
DIGESTS = [
    ("", "At once"),
    ("hourly", "As a digest every hour"),
    ("daily", "As a digest at 08:00 UTC"),
]


class RuleForm(forms.Form):
    """A rule. Parameters are fields named `<condition>-<parameter>`."""

    application = forms.ChoiceField(required=False, label="Looks in")
    name = forms.CharField(max_length=100, label="Name")
    condition = forms.ChoiceField(
        choices=[(one.slug, one.title) for one in CONDITIONS.values()], label="When"
    )
    provider = forms.ChoiceField(required=False, label="Only of this provider")
    key = forms.ChoiceField(required=False, label="Only of this key")
    cooldown_seconds = forms.ChoiceField(choices=COOLDOWNS, initial="3600", label="Tells the same")
    tells_recovery = forms.BooleanField(required=False, initial=True, label="Say when it is over")
    channels = forms.MultipleChoiceField(
        required=False,
        label="Tells",
        widget=forms.CheckboxSelectMultiple,
        help_text="The overview shows what fires in any case.",
    )
    enabled = forms.BooleanField(required=False, initial=True, label="In force")

    def __init__(
        self,
        data: Any = None,
        *,
        places: Sequence[tuple[str, str]],
        channels: Iterable[AlertChannel],
        application: Application | None = None,
        rule: AlertRule | None = None,
        **options: Any,
    ) -> None:
        super().__init__(data, **options)
        fields: dict[str, Any] = self.fields
        for condition in CONDITIONS.values():
            for param in condition.params:
                fields[f"{condition.slug}-{param.name}"] = _field(param)
        fields["application"].choices = places
        fields["provider"].choices = [("", "Any"), *((s.slug, s.name) for s in all_specs())]
        fields["key"].choices = [("", "Any"), *_keys(application)]
        fields["channels"].choices = [(row.pk, _told(row)) for row in channels]
        if rule is not None:
            del fields["application"]
            fields["condition"].widget = forms.HiddenInput()
        if application is None:
            del fields["key"]

    def params(self) -> dict[str, Any]:
        """Of the chosen condition, those that were given."""
        prefix = f"{self.cleaned_data['condition']}-"
        given = {
            name.removeprefix(prefix): value
            for name, value in self.cleaned_data.items()
            if name.startswith(prefix)
        }
        return {name: value for name, value in given.items() if value not in (None, "", [])}

    def groups(self) -> list[tuple[Condition, list[forms.BoundField]]]:
        """Each condition's own fields."""
        return [
            (one, [self[f"{one.slug}-{param.name}"] for param in one.params])
            for one in CONDITIONS.values()
        ]


class ChannelForm(forms.Form):
    """A channel. An address is never shown again; an empty one keeps the one there is."""

    application = forms.ChoiceField(required=False, label="Belongs to")
    name = forms.CharField(max_length=100, label="Name")
    kind = forms.ChoiceField(choices=KINDS, label="Kind")
    url = forms.CharField(
        required=False,
        max_length=1000,
        label="Address",
        widget=forms.PasswordInput(
            render_value=False,
            attrs={"autocomplete": "off", "data-1p-ignore": "", "data-lpignore": "true"},
        ),
        help_text="https://… It holds a token, so it is sealed and not shown again.",
    )
    recipients = forms.CharField(
        required=False,
        label="Mail addresses",
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="One a line. Empty: the owners of the application that an alert is about.",
    )
    digest = forms.ChoiceField(required=False, choices=DIGESTS, label="Sends")
    hears_site = forms.BooleanField(
        required=False, initial=True, label="Also what the installation’s own rules find here"
    )
    enabled = forms.BooleanField(required=False, initial=True, label="In use")

    def __init__(
        self,
        data: Any = None,
        *,
        places: Sequence[tuple[str, str]] = (),
        channel: AlertChannel | None = None,
        **options: Any,
    ) -> None:
        super().__init__(data, **options)
        fields: dict[str, Any] = self.fields
        fields["application"].choices = places
        if channel is None:
            del fields["enabled"]
            return
        del fields["application"]
        fields["kind"].widget = forms.HiddenInput()
        fields["url"].label = f"New address (now at {channel.host})" if channel.host else "Address"
        if channel.application_id is None:
            del fields["hears_site"]

    def addresses(self) -> list[str]:
        text = self.cleaned_data.get("recipients", "")
        return [line.strip() for line in text.replace(",", "\n").splitlines() if line.strip()]


def _field(param: Param) -> forms.Field:
    label = LABELS[param.name]
    if param.many:
        return forms.MultipleChoiceField(
            choices=[(one, one) for one in param.choices],
            initial=param.default,
            required=False,
            label=label,
            widget=forms.CheckboxSelectMultiple,
        )
    if param.choices:
        words = [(one, one.replace("_", " ")) for one in param.choices]
        return forms.ChoiceField(choices=words, initial=param.default, required=False, label=label)
    told: dict[str, Any] = {"initial": param.default, "required": False, "label": label}
    if param.whole:
        return forms.IntegerField(min_value=int(param.least), max_value=int(param.most), **told)
    return forms.FloatField(min_value=param.least, max_value=param.most, **told)


def _keys(application: Application | None) -> list[tuple[str, str]]:
    if application is None:
        return []
    found: list[tuple[str, str]] = []
    for model, words in ((ProviderKey, "provider key"), (AppKey, "app key")):
        rows = model._default_manager.filter(application=application).order_by("name")
        found += [(row.target, f"{row.name} ({words})") for row in rows[:KEYS_OFFERED]]
    return found


def _told(channel: AlertChannel) -> str:
    place = channel.application.name if channel.application else "Everywhere"
    return channel.name if channel.preset else f"{place} · {channel.name} ({channel.kind})"


class SnoozeForm(forms.Form):
    days = forms.ChoiceField(
        choices=[("7", "7 days"), ("30", "30 days"), ("90", "90 days")],
        initial="30",
        label="Let it wait for",
    )
