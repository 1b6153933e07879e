"""What to do about what the doctor found."""

from collections.abc import Iterable

from keys.doctor.examining import BROKEN_TRAIL, GOT_OUT, NO_MASTER, UNDECRYPTABLE, WRONG_LIMITS

_BY_CODE = {
    NO_MASTER: "Where a master key is not loaded: load it.",
    UNDECRYPTABLE: "Where one does not open: load the master key it was sealed under, "
    "or rotate the key.",
    GOT_OUT: "Where a secret was reported compromised elsewhere: rotate the key, "
    "or report it compromised as well.",
    WRONG_LIMITS: "Where limits are others: set them again, "
    "and find out who can write to the database.",
    BROKEN_TRAIL: "The audit trail: find out who can write to the database.",
}
_PAST_KEYDECK = (
    "Where one was written past Keydeck: rotate the key, "
    "and find out who can write to the database."
)


def remedies(codes: Iterable[str]) -> list[str]:
    """What fits findings of these codes, each once."""
    found = set(codes)
    told = [words for code, words in _BY_CODE.items() if code in found]
    return [*told, _PAST_KEYDECK] if found - _BY_CODE.keys() else told
