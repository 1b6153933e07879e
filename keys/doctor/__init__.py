"""The vault's doctor: what doesn't open, and what was put there past Keydeck, is found."""

from keys.doctor.examining import (
    BROKEN_TRAIL,
    CAME_BACK,
    GOT_OUT,
    MISSING,
    NO_MASTER,
    NOT_THE_ONE,
    OLD_DATA_KEY,
    UNDECRYPTABLE,
    UNMARKED,
    UNTOLD,
    WORDS,
    WRONG_HASH,
    WRONG_LIMITS,
    WRONG_STAGE,
    WRONG_STATE,
    Finding,
    Report,
    examine,
    look,
)
from keys.doctor.looking import (
    ask_for_examination,
    examine_and_note,
    examine_if_due,
    last_examination,
)
from keys.doctor.masters import MasterUse, master_keys
from keys.doctor.remedies import remedies
from keys.doctor.trail import TELLING, read_trail

__all__ = [
    "BROKEN_TRAIL",
    "CAME_BACK",
    "GOT_OUT",
    "MISSING",
    "NOT_THE_ONE",
    "NO_MASTER",
    "OLD_DATA_KEY",
    "TELLING",
    "UNDECRYPTABLE",
    "UNMARKED",
    "UNTOLD",
    "WORDS",
    "WRONG_HASH",
    "WRONG_LIMITS",
    "WRONG_STAGE",
    "WRONG_STATE",
    "Finding",
    "MasterUse",
    "Report",
    "ask_for_examination",
    "examine",
    "examine_and_note",
    "examine_if_due",
    "last_examination",
    "look",
    "master_keys",
    "read_trail",
    "remedies",
]
