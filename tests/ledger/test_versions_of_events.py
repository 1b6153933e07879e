"""Events that were spooled before an upgrade are stored after it, and nonsense is not."""

from collections.abc import Callable
from typing import Any
from zlib import crc32

import orjson
import pytest

from tests.ledger.conftest import make_event
from usage.events import CallEvent
from usage.ingest.rows import checked
from usage.spool import Spool
from usage.spool.records import END, FIELDS, decode, encode


def line(version: int, event: CallEvent) -> bytes:
    values = [version if name == "v" else getattr(event, name) for name in FIELDS[version]]
    body = orjson.dumps((END, 1, 1, version, values))
    return b"%08x %b" % (crc32(body), body)


@pytest.mark.parametrize("version", sorted(FIELDS))
def test_each_version_of_an_event_is_read_as_the_latest(version: int) -> None:
    event = make_event()
    assert checked(decode(line(version, event)).event) == event


def test_a_version_to_come_is_refused() -> None:
    event = decode(line(1, make_event())).event | {"v": 99}
    with pytest.raises(ValueError, match="unknown event version"):
        checked(event)


def test_a_line_is_read_as_it_was_written(new_spool: Callable[..., Spool]) -> None:
    event = make_event()
    assert checked(decode(encode(END, 1, 1, event).rstrip()).event) == event


def attempt(**fields: object) -> dict[str, object]:
    whole = {"provider_key": "k", "provider_key_version": 1, "outcome": "ok", "code": ""}
    return {**whole, "status": 200, **fields}


@pytest.mark.parametrize(
    "tried",
    [
        [{}],
        ["text"],
        [attempt(outcome="nonsense")],
        [attempt(status=-1)],
        [attempt(provider_key="k" * 99)],
        [attempt(more=1)],
        [attempt()] * 11,
    ],
)
def test_attempts_that_are_none_are_refused(tried: list[Any]) -> None:
    event = decode(line(2, make_event())).event | {"tried": tried}
    with pytest.raises(ValueError):
        checked(event)
