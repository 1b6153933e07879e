"""Input of the lifecycle, cleaned or refused with the field named."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone

from keys.lifecycle.errors import Invalid
from keys.models import METHODS
from keys.states import Role
from keys.tokens import ENVIRONMENTS, looks_secret
from keys.vault import Secret

LONGEST_NAME = 100
LONGEST_SECRET = 4096
LONGEST_REASON = 500
LONGEST_NOTE = 2000
LONGEST_LIST = 100
MOST_TAGS = 10
LARGEST_LIMIT = 1_000_000_000
LONGEST_OVERLAP = timedelta(days=365)
SHORTEST_SILENCE = timedelta(minutes=1)
_TAG = re.compile(r"[a-z0-9][a-z0-9_.:/-]{0,29}", re.ASCII)
_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*", re.ASCII)


def clean_name(text: str, field: str = "name") -> str:
    name = text.strip()
    if not name:
        raise Invalid(field, "A name is needed.")
    if len(name) > LONGEST_NAME:
        raise Invalid(field, f"A name has at most {LONGEST_NAME} characters.")
    if not name.isprintable():
        raise Invalid(field, "A name has no control characters.")
    return for_people(name, field)


def for_people(text: str, field: str) -> str:
    """What everybody may read, and the audit trail keeps for good: no place for a secret."""
    if looks_secret(text):
        raise Invalid(field, "This looks like a secret. Put it where the secret goes.")
    return text


def clean_slug(text: str, reserved: Iterable[str] = ()) -> str:
    if not _SLUG.fullmatch(text) or len(text) > 50:
        raise Invalid("slug", "A slug is up to 50 lower-case letters, digits and single hyphens.")
    if text in reserved:
        raise Invalid("slug", f"The slug “{text}” is reserved.")
    return text


def clean_secret(secret: Secret | str) -> tuple[Secret, bool]:
    """The secret without outer whitespace, and whether there was any."""
    given = secret.reveal() if isinstance(secret, Secret) else secret
    text = given.strip()
    if not text:
        raise Invalid("secret", "The secret is empty.")
    if text.startswith(("kd_live_", "kd_test_")):
        raise Invalid(
            "secret", "This is an app key of Keydeck: paste the key that the provider gave you."
        )
    if len(text) > LONGEST_SECRET:
        raise Invalid("secret", f"The secret is longer than {LONGEST_SECRET} characters.")
    if any(character.isspace() or not character.isprintable() for character in text):
        raise Invalid(
            "secret", "The secret has whitespace or control characters inside: paste it again."
        )
    return Secret(text), text != given


def clean_reason(text: str) -> str:
    reason = " ".join(text.split())
    if not reason:
        raise Invalid("reason", "A reason is needed; it is written to the audit trail.")
    if len(reason) > LONGEST_REASON or not reason.isprintable():
        raise Invalid("reason", f"A reason is up to {LONGEST_REASON} printable characters.")
    return reason


def clean_note(text: str) -> str:
    note = text.strip().replace("\r\n", "\n")
    if len(note) > LONGEST_NOTE or not note.replace("\n", "").replace("\t", "").isprintable():
        raise Invalid("note", f"A note is up to {LONGEST_NOTE} printable characters.")
    return note


def clean_tags(text: str) -> str:
    """Tags parted by spaces or commas, as they are stored: sorted, each between spaces."""
    for_people(text, "tags")
    words = sorted(set(text.lower().replace(",", " ").split()))
    if len(words) > MOST_TAGS:
        raise Invalid("tags", f"A key has at most {MOST_TAGS} tags.")
    for word in words:
        if not _TAG.fullmatch(word):
            raise Invalid("tags", f"{word[:40]!r} is no tag: up to 30 letters, digits and -_.:/")
    return f" {' '.join(words)} " if words else ""


def clean_environment(text: str) -> str:
    if text not in ENVIRONMENTS:
        raise Invalid("environment", f"An environment is {' or '.join(ENVIRONMENTS)}.")
    return text


def clean_email(text: str) -> str:
    email = text.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise Invalid("email", "This is not an e-mail address.") from None
    return email


def clean_role(text: str) -> Role:
    try:
        return Role(text)
    except ValueError:
        raise Invalid("role", f"A role is one of {', '.join(Role)}.") from None


def clean_expiry(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    if timezone.is_naive(moment):
        raise Invalid("expires_at", "The expiry needs a time zone.")
    if moment <= timezone.now():
        raise Invalid("expires_at", "The expiry is in the past.")
    return moment


def clean_overlap(seconds: int) -> timedelta:
    if not 0 <= seconds <= LONGEST_OVERLAP.total_seconds():
        raise Invalid(
            "overlap_seconds", f"The overlap is 0 seconds to {LONGEST_OVERLAP.days} days."
        )
    return timedelta(seconds=seconds)


def clean_silence(seconds: int | None, overlap: timedelta) -> int | None:
    """How long an old secret must be silent to be retired before (or kept beyond) its time."""
    if seconds is None or not overlap:
        return None
    least, most = SHORTEST_SILENCE.total_seconds(), LONGEST_OVERLAP.total_seconds()
    if isinstance(seconds, bool) or not least <= seconds <= most:
        raise Invalid("silent_seconds", "At least one minute and at most 365 days.")
    return int(seconds)


def clean_limit(value: int | None, field: str) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not 1 <= value <= LARGEST_LIMIT:
        raise Invalid(field, f"A limit is a whole number from 1 to {LARGEST_LIMIT}.")
    return value


def clean_endpoints(globs: Sequence[str] | None, field: str = "endpoints") -> list[str] | None:
    """Globs over the upstream path; None where none is given."""
    if globs is None:
        return None
    cleaned = _listed([glob.strip() for glob in globs], field)
    return [clean_endpoint(glob, field) for glob in cleaned]


def clean_endpoint(glob: str, field: str) -> str:
    """One glob over the upstream path."""
    if not glob.startswith(("/", "*")) or len(glob) > 200:
        raise Invalid(field, f"{glob[:60]!r} is not a path such as /api/v6/images/*.")
    if not glob.isprintable() or any(mark in glob for mark in " ?#\\"):
        raise Invalid(field, f"{glob[:60]!r} has a character that no path has.")
    segments = glob.split("/")
    if "" in segments[1:-1] or not {".", ".."}.isdisjoint(segments):
        raise Invalid(field, f"{glob[:60]!r} matches no call: such paths are refused.")
    return glob


def clean_methods(methods: Sequence[str] | None) -> list[str] | None:
    """HTTP methods in one order; None for any."""
    if methods is None:
        return None
    named = {method.strip().upper() for method in methods}
    if unknown := named.difference(METHODS):
        text = sorted(unknown)[0][:60]
        raise Invalid("methods", f"{text!r} is none of {', '.join(METHODS)}.")
    return _listed([method for method in METHODS if method in named], "methods")


def clean_ips(ranges: Sequence[str] | None) -> list[str] | None:
    """CIDR ranges in their canonical form; None for any."""
    if ranges is None:
        return None
    return _listed([_network(text.strip()) for text in ranges], "ips")


def _network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        reason = "is not an address range, such as 203.0.113.0/24"
        raise Invalid("ips", f"{text[:60]!r} {reason}.") from None
    if "/" in text and network.network_address != ipaddress.ip_interface(text).ip:
        raise Invalid("ips", f"{text[:60]!r} is an address in the range {network}: say which.")
    return str(network)


def _listed(values: list[str], field: str) -> list[str]:
    if not values:
        raise Invalid(field, "An empty list would allow nothing; leave it out to allow all.")
    if len(values) > LONGEST_LIST:
        raise Invalid(field, f"At most {LONGEST_LIST} entries.")
    return list(dict.fromkeys(values))
