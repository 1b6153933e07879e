"""What one act on many keys still has to be told."""

from typing import Any

from django import forms

from keys.forms.fields import OVERLAPS


class BatchForm(forms.Form):
    """A tag, an overlap, or the number of keys typed; only what the act asks for."""

    tag = forms.CharField(max_length=30, label="Tag")
    overlap = forms.ChoiceField(
        choices=[choice for choice in OVERLAPS if choice[0].isdecimal()],
        initial="86400",
        label="The old secrets go on working for",
    )
    typed = forms.CharField(max_length=10, widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, data: Any = None, *, act: str, typed: str) -> None:
        super().__init__(data)
        self.expected = typed
        needed = {"tag": "tag", "untag": "tag", "rotate": "overlap"}.get(act, "")
        for name in ("tag", "overlap"):
            if name != needed:
                del self.fields[name]
        if typed:
            self.fields["typed"].label = f"Type {typed}, the number of keys, to confirm"
        else:
            del self.fields["typed"]

    def clean_typed(self) -> str:
        text: str = self.cleaned_data["typed"].strip()
        if text != self.expected:
            raise forms.ValidationError(f"Type {self.expected}: so many keys are chosen.")
        return text

    def argument(self) -> str:
        return str(self.cleaned_data.get("tag") or self.cleaned_data.get("overlap") or "")
