"""allauth's form of a new password; a wrong present one counts and is audited as at a sign-in."""

from allauth.account.adapter import get_adapter
from allauth.account.forms import ChangePasswordForm
from django.core.exceptions import ValidationError


class ChangeForm(ChangePasswordForm):
    def clean_oldpassword(self) -> str:
        old: str = self.cleaned_data.get("oldpassword", "")
        if self.user is None or not get_adapter().reauthenticate(self.user, old):
            raise ValidationError("This is not your present password.")
        return old
