"""The form that holds the audit chain against an anchor kept elsewhere."""

from django import forms

from keys.audit import Anchor, read_anchor


class VerifyForm(forms.Form):
    anchor = forms.CharField(
        required=False,
        max_length=2000,
        label="Anchor (optional)",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="The file that you downloaded here, or that “manage.py audit anchor” printed. "
        "With it a database put back to an older state is found; without one it is not.",
    )

    def clean_anchor(self) -> Anchor | None:
        text = self.cleaned_data["anchor"].strip()
        if not text:
            return None
        try:
            return read_anchor(text)
        except ValueError as error:
            raise forms.ValidationError(str(error)) from error
