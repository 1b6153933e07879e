"""The form that ends a secret which got out."""

from collections.abc import Sequence
from typing import Any

from django import forms

from keys.forms.fields import SecretField
from keys.forms.keys import TypedForm
from keys.models import AppKey, ProviderKey
from keys.states import CHANGEABLE


class CompromisedForm(TypedForm):
    """How it got out, what takes its place, and the key's name where calls would fail."""

    reason = forms.CharField(
        max_length=200,
        label="What happened",
        help_text="Kept in the audit, with your name and the time.",
    )
    secret = SecretField(
        required=False,
        label="New secret",
        help_text="In use at once, without overlap. Empty: the key is revoked for good.",
    )
    elsewhere = forms.MultipleChoiceField(
        required=False,
        label="The same secret is in use here too: end it there as well",
        widget=forms.CheckboxSelectMultiple,
    )
    replace = forms.BooleanField(
        required=False,
        initial=True,
        label="Make a new text for this key",
        help_text="Your code needs it at once. Otherwise the key is revoked for good.",
    )
    field_order = ("reason", "secret", "elsewhere", "replace", "typed")

    def __init__(
        self,
        *args: Any,
        key: ProviderKey | AppKey,
        typed: bool,
        others: Sequence[ProviderKey] = (),
        **options: Any,
    ) -> None:
        super().__init__(*args, name=key.name, **options)
        self.others = {other.pk: other for other in others}
        choices = [
            (id, f"{twin.application.name} · {twin.name}") for id, twin in self.others.items()
        ]
        self.fields["elsewhere"].choices = choices  # type: ignore[attr-defined]
        self.fields["elsewhere"].initial = list(self.others)
        provider = isinstance(key, ProviderKey)
        over = key.state not in CHANGEABLE
        unasked = {
            "typed": not typed,
            "secret": not provider or over,
            "elsewhere": not choices,
            "replace": provider or over,
        }
        for name, left_out in unasked.items():
            if left_out:
                del self.fields[name]

    def chosen(self) -> list[ProviderKey]:
        """The keys of other applications whose secret got out with this one."""
        return [self.others[id] for id in self.cleaned_data.get("elsewhere", ())]
