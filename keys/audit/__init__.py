"""The audit trail: one writer, a chain of keyed hashes, what is read from it (DESIGN door 5)."""

from keys.audit.archives import Archive, BrokenArchive, archive, join, read_archive
from keys.audit.carrying import times, told
from keys.audit.chain import Anchor, Verification, anchor, is_ours, read_anchor, verify
from keys.audit.export import FORMATS, export
from keys.audit.writing import DEMO, Action, Actor, begin_chain, record

__all__ = [
    "DEMO",
    "FORMATS",
    "Action",
    "Actor",
    "Anchor",
    "Archive",
    "BrokenArchive",
    "Verification",
    "anchor",
    "archive",
    "begin_chain",
    "export",
    "is_ours",
    "join",
    "read_anchor",
    "read_archive",
    "record",
    "times",
    "told",
    "verify",
]
