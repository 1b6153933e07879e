"""Forms for words on keys, and for many keys at once."""

from typing import Any

from django import forms

from keys.models import AppKey, Application, ProviderKey


class DetailsForm(forms.Form):
    """What people write on a key."""

    note = forms.CharField(
        required=False,
        label="Note",
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Such as what it pays for, or whom to ask. Never the secret itself.",
    )
    tags = forms.CharField(
        required=False,
        max_length=400,
        label="Tags",
        help_text="Words to find keys by, such as “prod eu”. At most ten.",
    )
    owner = forms.ChoiceField(required=False, label="Answerable")
    environment = forms.ChoiceField(
        choices=[("live", "live"), ("test", "test")], label="Environment"
    )

    def __init__(self, data: Any = None, *, key: ProviderKey | AppKey) -> None:
        start = {
            "note": key.note,
            "tags": key.tags.strip(),
            "owner": key.owner.email if key.owner else "",
            "environment": key.environment,
        }
        super().__init__(data, initial=start)
        self.fields["owner"].choices = _members(key.application)  # type: ignore[attr-defined]
        if isinstance(key, AppKey):
            del self.fields["environment"]  # it is a word inside the key


class ShareForm(forms.Form):
    """A provider key's part in the pool."""

    priority = forms.IntegerField(
        min_value=1,
        max_value=9,
        label="Priority",
        help_text="Keys with 1 are asked first; the others when none of those can be used.",
    )
    weight = forms.IntegerField(
        min_value=1,
        max_value=100,
        label="Weight",
        help_text="Of keys with the same priority, one with 2 gets twice the calls of one with 1.",
    )
    concurrency = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=1000,
        label="Calls at once",
        help_text="Further calls take another key, or are told to wait. Empty: no bound. ModelsLab "
        "queues 5, 10 or 15 per account, by its plan.",
    )


def _members(application: Application) -> list[tuple[str, str]]:
    rows = application.memberships.order_by("user__email").values_list("user__email", flat=True)
    return [("", "Nobody in particular"), *((email, email) for email in rows)]


class PastedField(forms.CharField):
    """A text with secrets in it: never rendered back."""

    def __init__(self, **options: Any) -> None:
        attrs = {
            "rows": 10,
            "class": "font-monospace",
            "spellcheck": "false",
            "autocomplete": "off",
            "autocapitalize": "none",
        }
        super().__init__(widget=forms.Textarea(attrs=attrs), **options)

    def prepare_value(self, value: Any) -> str:
        del value
        return ""


class ImportForm(forms.Form):
    """A text pasted, or a file; never rendered back."""

    text = PastedField(required=False, strip=False, label="Paste a table or a .env file")
    file = forms.FileField(required=False, label="Or choose a file")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        upload = data.get("file")
        if upload is not None:
            try:
                data["text"] = upload.read().decode("utf-8-sig")
            except UnicodeDecodeError:
                self.add_error("file", "This file is not text in UTF-8.")
        if not self.errors and not data.get("text", "").strip():
            self.add_error("text", "Paste something, or choose a file.")
        return data
