"""Keys that derive from SECRET_KEY, not from the vault (DESIGN decision 13).

Sign-in, sessions and the audit chain go on while the vault is sealed.
"""

from base64 import urlsafe_b64encode
from functools import lru_cache

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings


def derived_key(purpose: str) -> bytes:
    """32 bytes for one purpose; another purpose's say nothing about them."""
    return _derive(settings.SECRET_KEY, purpose)


def fernet(key: bytes) -> Fernet:
    return Fernet(urlsafe_b64encode(key))


@lru_cache(maxsize=8)
def _derive(secret_key: str, purpose: str) -> bytes:
    hkdf = HKDF(SHA256(), length=32, salt=None, info=f"keydeck {purpose}".encode())
    return hkdf.derive(secret_key.encode())
