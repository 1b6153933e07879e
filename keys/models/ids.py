"""Public ids: random base62, short enough to read aloud, never reused."""

import secrets
import string

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
LENGTH = 12


def new_id() -> str:
    """12 base62 characters (71 bits)."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
