"""Forms about keys: connect, add, create, rotate, limits, reveal."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from django import forms

from keys.forms.fields import ExpiryForm, LinesField, OverlapForm, SecretField, asking
from keys.lifecycle.inputs import (
    LARGEST_LIMIT,
    clean_endpoints,
    clean_ips,
    clean_name,
    clean_secret,
)
from keys.models import METHODS, Application, ProviderKey
from keys.providers import all_specs

# Of a secret whose provider is chosen in the same form.
WHEN_TESTED = (
    "Sealed in the vault, then tested at once where the provider can be asked for free; "
    "else the first call tells."
)
UNTESTED = "It can’t be tested for free: it waits until you choose “Use it untested”."


def told_apart(named: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Choices (slug, name), with the slug behind a name that occurs twice."""
    choices = list(named)
    names = Counter(name for _, name in choices)
    return [(slug, f"{name} ({slug})" if names[name] > 1 else name) for slug, name in choices]


def provider_choices() -> list[tuple[str, str]]:
    return told_apart((spec.slug, spec.name) for spec in all_specs())


class ProviderKeyForm(forms.Form):
    """A provider key alone."""

    provider = forms.ChoiceField(label="Provider")
    name = forms.CharField(
        max_length=100,
        label="Name",
        validators=[asking(clean_name)],
        help_text="How your team tells it apart, such as “main account”.",
    )
    secret = SecretField(label="Secret", validators=[asking(clean_secret)], help_text=WHEN_TESTED)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["provider"].choices = provider_choices()  # type: ignore[attr-defined]


class ConnectForm(forms.Form):
    """The one form that makes both keys, and the application they belong to."""

    NEW = "new"  # no application can have this short name

    application = forms.ChoiceField(label="Application")
    application_name = forms.CharField(
        max_length=100,
        required=False,
        label="Its name",
        validators=[asking(clean_name)],
        help_text="What the keys of a new application are for, such as “Shop”.",
    )
    provider = forms.ChoiceField(label="Provider")
    secret = SecretField(
        label="Provider key", validators=[asking(clean_secret)], help_text=WHEN_TESTED
    )

    def __init__(self, *args: Any, applications: Iterable[Application], **options: Any) -> None:
        super().__init__(*args, **options)
        mine = told_apart((application.slug, application.name) for application in applications)
        choose = [("", "Choose one")] if mine else []
        offered = [*choose, (self.NEW, "New application…"), *mine]
        self.fields["application"].choices = offered  # type: ignore[attr-defined]
        self.fields["provider"].choices = provider_choices()  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.makes_application(data) and not data.get("application_name"):
            self.add_error("application_name", "What is it called?")
        return data

    def makes_application(self, data: dict[str, Any]) -> bool:
        return data.get("application") == self.NEW


def _limit(**options: Any) -> forms.IntegerField:
    return forms.IntegerField(required=False, min_value=1, max_value=LARGEST_LIMIT, **options)


class LimitsForm(forms.Form):
    """What an app key may do. Empty means no limit of that kind."""

    per_minute = _limit(label="Requests per minute")
    per_day = _limit(label="Requests per day", help_text="In any 24 hours.")
    per_month = _limit(label="Requests per month", help_text="Begins anew on the 1st, in UTC.")
    concurrency = _limit(label="At the same time")
    endpoints = LinesField(
        label="Endpoints",
        rule=clean_endpoints,
        help_text="One pattern a line, such as /api/v6/images/*. Empty: any.",
    )
    methods = forms.MultipleChoiceField(
        required=False,
        label="Methods",
        choices=[(method, method) for method in METHODS],
        widget=forms.CheckboxSelectMultiple,
        help_text="None chosen: any.",
    )
    ips = LinesField(
        label="Networks",
        rule=clean_ips,
        help_text="One address or range a line, such as 10.0.0.0/8. Empty: any.",
    )

    names: ClassVar[tuple[str, ...]] = (
        "per_minute",
        "per_day",
        "per_month",
        "concurrency",
        "endpoints",
        "methods",
        "ips",
    )

    def limits(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] or None for name in self.names}


class OwnersLimitsForm(LimitsForm):
    """The limits of a key that is there, as an owner sets them."""

    dangerous_endpoints = LinesField(
        label="Dangerous endpoints",
        rule=clean_endpoints,
        help_text="Patterns of endpoints that buy, delete or list what belongs to the whole "
        "account, which Keydeck refuses unless they are named here. Empty: none.",
    )
    names: ClassVar[tuple[str, ...]] = (*LimitsForm.names, "dangerous_endpoints")


class AppKeyForm(LimitsForm, ExpiryForm):
    """A new app key."""

    name = forms.CharField(
        max_length=100,
        label="Name",
        validators=[asking(clean_name)],
        help_text="Where it will be used, such as “web server”.",
    )
    providers = forms.MultipleChoiceField(
        required=False,
        label="Providers",
        widget=forms.CheckboxSelectMultiple,
        help_text="None chosen: every provider that the application has a key for.",
    )
    environment = forms.ChoiceField(
        choices=[("live", "live"), ("test", "test")],
        label="Environment",
        help_text="A word inside the key, so that people see which one they hold.",
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["providers"].choices = provider_choices()  # type: ignore[attr-defined]


class ElsewhereForm(forms.Form):
    """The keys of other applications that have the secret which is to be replaced."""

    elsewhere = forms.MultipleChoiceField(
        required=False,
        label="The same secret is in use here too: rotate it there as well",
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, others: Sequence[ProviderKey] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.others = {other.pk: other for other in others}
        choices = [(id, f"{key.application.name} · {key.name}") for id, key in self.others.items()]
        field = self.fields["elsewhere"]
        field.choices = choices  # type: ignore[attr-defined]
        field.initial = list(self.others)
        if not choices:
            del self.fields["elsewhere"]

    def chosen(self) -> list[ProviderKey]:
        """The keys of other applications that take the new secret too."""
        return [self.others[id] for id in self.cleaned_data.get("elsewhere", ())]


class RotateProviderKeyForm(ElsewhereForm, OverlapForm):
    secret = SecretField(label="New secret", help_text="Tested first; used only if it works.")
    field_order = ("secret", "elsewhere", "overlap", "overlap_hours", "silent")

    def __init__(self, *args: Any, can_test: bool = True, **options: Any) -> None:
        super().__init__(*args, **options)
        if not can_test:
            self.fields["secret"].help_text = UNTESTED


class ReasonForm(forms.Form):
    reason = forms.CharField(
        max_length=500, label="Reason", help_text="Kept in the audit, with your name and the time."
    )


class ConfirmForm(forms.Form):
    """Nothing to fill in: the act itself is the question."""


class TypedForm(forms.Form):
    """A name, typed: nobody ends what is in use by a slip."""

    typed = forms.CharField(max_length=100, widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, *args: Any, name: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.name = name
        self.fields["typed"].label = f"Type {name} to go on"

    def clean_typed(self) -> str:
        typed = str(self.cleaned_data["typed"])
        if typed != self.name:
            raise forms.ValidationError(f"This is not “{self.name}”.")
        return typed
