"""The text of app keys and API tokens: prefix, public id, secret, checksum.

A checksum over everything before it lets a mistyped key be refused before the database.
"""

import hashlib
import hmac
import json
import re
import secrets
import string
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice

from keys.derived import derived_key

ENVIRONMENTS = ("live", "test")
SECRET_LENGTH = 32  # 190 bits
_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_CRC_LENGTH = 6  # 62^6 > 2^32
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]  # two digits at a time
_BODY = rf"([0-9A-Za-z]{{12}})_[0-9A-Za-z]{{{SECRET_LENGTH + _CRC_LENGTH}}}"
_APP_KEY = re.compile(rf"kd_(live|test)_{_BODY}", re.ASCII)
_API_TOKEN = re.compile(rf"kdt_{_BODY}", re.ASCII)
_SECRETLIKE = re.compile(
    r"\b(?:sk|pk|rk|kdt|kd_live|kd_test|ghp|xox[abp])[-_][A-Za-z0-9_-]{16,}"
    r"|\b(?=[A-Za-z]*[0-9])(?=[0-9]*[A-Za-z])[A-Za-z0-9]{32,}\b",
    re.ASCII,
)
_LOOKALIKE = re.compile(_APP_KEY.pattern.encode() + rb"(?![0-9A-Za-z_])")
_BEGINNING = b"kd_"  # of every app key
_MOST_LOOKALIKES = 100


@dataclass(frozen=True, slots=True)
class ParsedKey:
    """What an app key says of itself."""

    environment: str
    id: str


def new_app_key(environment: str, key_id: str) -> str:
    """`kd_<environment>_<id>_<32 random characters><checksum>`."""
    if environment not in ENVIRONMENTS:
        raise ValueError(f"no such environment: {environment}")
    return _with_checksum(f"kd_{environment}_{key_id}_{_random_text()}")


def parse_app_key(text: str) -> ParsedKey | None:
    """What the key says of itself, or None for a text that is no app key or mistyped."""
    match = _APP_KEY.fullmatch(text)
    if match is None or not _checksum_fits(text):
        return None
    return ParsedKey(environment=match[1], id=match[2])


def app_key_id(text: str) -> str:
    """The id in the text of a well-formed app key."""
    return text.split("_", 3)[2]


def app_keys_in(content: bytes) -> set[str]:
    """The well-formed app keys that stand in `content` as they are, found without parsing it.

    Of the first 100 that look like one, so that no content costs more than one walk over it.
    """
    start = content.find(_BEGINNING)  # ten times as fast as the pattern, and most bodies hold none
    if start < 0:
        return set()
    hits = islice(_LOOKALIKE.finditer(content, start), _MOST_LOOKALIKES)
    return {text for text in {hit[0].decode() for hit in hits} if _checksum_fits(text)}


def looks_secret(text: str) -> bool:
    """Whether something in a text for people looks like a key: a known beginning, or 32 and more
    letters and digits in one piece."""
    return _SECRETLIKE.search(text) is not None


def new_api_token(token_id: str) -> str:
    """`kdt_<id>_<32 random characters><checksum>`."""
    return _with_checksum(f"kdt_{token_id}_{_random_text()}")


def parse_api_token(text: str) -> str | None:
    """The token's id, or None for a text that is no API token or mistyped."""
    match = _API_TOKEN.fullmatch(text)
    return match[1] if match and _checksum_fits(text) else None


def token_digest(
    text: str, user_id: int, scopes: Sequence[str], expires_at: datetime | None
) -> str:
    """What ApiToken.digest holds: keyed, so that nobody writes one of their own into a row, nor
    makes another person's or a mightier one of theirs.

    Not by the vault's keys: tokens must work while it is sealed.
    """
    until = expires_at.astimezone(UTC).isoformat() if expires_at else None
    told = json.dumps([text, user_id, *scopes, until])
    return hmac.digest(derived_key("api token"), told.encode(), hashlib.sha256).hex()


def _random_text() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(SECRET_LENGTH))


def _with_checksum(text: str) -> str:
    return text + _checksum(text)


def _checksum_fits(text: str) -> bool:
    return text[-_CRC_LENGTH:] == _checksum(text[:-_CRC_LENGTH])


def _checksum(text: str) -> str:
    rest = zlib.crc32(text.encode())
    rest, last = divmod(rest, 62 * 62)
    first, middle = divmod(rest, 62 * 62)
    return _PAIRS[first] + _PAIRS[middle] + _PAIRS[last]
