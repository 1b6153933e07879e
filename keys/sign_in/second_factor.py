"""Secrets of second factors are encrypted in the database (DESIGN decision 13)."""

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.contrib.auth.base_user import AbstractBaseUser

from keys.derived import derived_key, fernet


class SecondFactorAdapter(DefaultMFAAdapter):
    """TOTP secrets and the seeds of recovery codes, under a key of SECRET_KEY; what things are
    called."""

    def encrypt(self, text: str) -> str:
        return fernet(derived_key("second factor")).encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return fernet(derived_key("second factor")).decrypt(encrypted_text).decode()

    def generate_authenticator_name(self, user: AbstractBaseUser, type: Authenticator.Type) -> str:
        # allauth's "Master key" means something else here.
        count = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return f"Passkey {count + 1}" if count else "Passkey"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        entity: dict[str, str] = super().get_public_key_credential_rp_entity()
        return {**entity, "name": "Keydeck"}  # in the browser's dialog; allauth's is the host
