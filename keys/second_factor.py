"""Secrets of second factors are encrypted in the database (DESIGN decision 13)."""

from allauth.mfa.adapter import DefaultMFAAdapter

from keys.derived import derived_key, fernet


class SecondFactorAdapter(DefaultMFAAdapter):
    """TOTP secrets and the seeds of recovery codes, under a key of SECRET_KEY."""

    def encrypt(self, text: str) -> str:
        return fernet(derived_key("second factor")).encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return fernet(derived_key("second factor")).decrypt(encrypted_text).decode()
