"""allauth's forms of a passkey; a refused one is audited as a wrong code is, and says why."""

from typing import Any, ClassVar

from allauth.core import context
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authentication_failed
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django.forms import ValidationError

REFUSED = (
    "That passkey was refused: it isn’t one of this account, or it didn’t check that it’s you. "
    "Try again, or use another way."
)
NOT_ADDED = "That passkey was not added: it didn’t check that it’s you, or this page was too old."


class AddForm(AddWebAuthnForm):
    def clean(self) -> dict[str, Any]:
        try:
            cleaned: dict[str, Any] = super().clean()
        except ValidationError as error:
            raise ValidationError(NOT_ADDED, code="incorrect_code") from error
        return cleaned


class AuthenticateForm(AuthenticateWebAuthnForm):
    again: ClassVar[bool] = False

    def clean_credential(self) -> Authenticator:
        try:
            return super().clean_credential()
        except ValidationError as error:
            if error.code != "incorrect_code":
                raise  # too many attempts: nothing was looked at
            authentication_failed.send(
                sender=Authenticator,
                request=context.request,
                user=self.user,
                authenticator=Authenticator(user=self.user, type=Authenticator.Type.WEBAUTHN),
                reauthentication=self.again,
            )
            raise ValidationError(REFUSED, code="incorrect_code") from error


class ReauthenticateForm(AuthenticateForm, ReauthenticateWebAuthnForm):
    again: ClassVar[bool] = True
