"""allauth's form of a new password; a wrong present one counts and is audited as at a sign-in,
and counts as a wrong step-up too: whoever found a session open has one number of guesses."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import ChangePasswordForm
from allauth.core import context
from allauth.core.internal import ratelimit
from django.core.exceptions import ValidationError

LABELS = {
    "oldpassword": "Your present password",
    "password1": "New password",
    "password2": "New password, once more",
}


class ChangeForm(ChangePasswordForm):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name, label in LABELS.items():
            self.fields[name].label = label
            self.fields[name].widget.attrs.pop("placeholder", None)
        self.fields["password1"].help_text = (
            "At least 12 characters; a few random words do well. Not your name, and no word of "
            "this site’s."
        )

    def clean_oldpassword(self) -> str:
        old: str = self.cleaned_data.get("oldpassword", "")
        tried = ratelimit.consume(
            context.request, app="allauth.account", action="reauthenticate", user=self.user
        )
        if tried is None:
            raise get_adapter().validation_error("too_many_login_attempts")
        if self.user is None or not get_adapter().reauthenticate(self.user, old):
            raise ValidationError("This is not your present password.")
        tried.rollback()
        return old
