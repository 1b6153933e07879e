"""The vault's doctor: what doesn't open, and what was put there past Keydeck, is found."""

from keys.doctor.examining import (
    CAME_BACK,
    NOT_THE_ONE,
    OLD_DATA_KEY,
    UNDECRYPTABLE,
    WORDS,
    WRONG_HASH,
    WRONG_STAGE,
    WRONG_STATE,
    Finding,
    MasterUse,
    Report,
    examine,
    examine_and_note,
    examine_if_due,
    last_examination,
    look,
    master_keys,
)
from keys.doctor.trail import TELLING, read_trail

__all__ = [
    "CAME_BACK",
    "NOT_THE_ONE",
    "OLD_DATA_KEY",
    "TELLING",
    "UNDECRYPTABLE",
    "WORDS",
    "WRONG_HASH",
    "WRONG_STAGE",
    "WRONG_STATE",
    "Finding",
    "MasterUse",
    "Report",
    "examine",
    "examine_and_note",
    "examine_if_due",
    "last_examination",
    "look",
    "master_keys",
    "read_trail",
]
