"""What is kept of a call: no body, and of the caller's address what the setting says."""

import gc
import io
from functools import _lru_cache_wrapper
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import override_settings
from pytest_django import Settings

from tests.gateway.conftest import TEXT2IMG
from tests.gateway.serving import Server, wait_until
from tests.upstream import Upstream
from usage import addresses, spool
from usage.events import Outcome, Source
from usage.gateway.core import Judgement
from usage.gateway.recording import Recording
from usage.models import Call

ASKED, ANSWERED = "a-fox-in-the-request-4711", "a-fox-in-the-response-4711"
ADDRESS = "203.0.113.77"
AGENT = "ml-a-real-key-4711"


def everything() -> str:
    """All tables of the database."""
    told = io.StringIO()
    call_command("dumpdata", stdout=told)
    return told.getvalue()


@pytest.mark.parametrize("status", [200, 422, 500])
def test_neither_body_is_stored_anywhere(
    gateway: Server, provider: Upstream, key: str, settings: Settings, status: int
) -> None:
    written = b""
    provider.answer(status, {"status": "success", "output": [ANSWERED], "meta": {"p": ANSWERED}})

    answer = gateway.post(TEXT2IMG, json={"key": key, "prompt": ASKED, "extra": {ASKED: ASKED}})

    assert ANSWERED in answer.text
    for path in Path(settings.SPOOL_DIR).rglob("*"):
        written += path.read_bytes() if path.is_file() else b""
    wait_until(Call.objects.exists)
    told = everything()
    assert str(Call.objects.get().id) in told
    for text in (ASKED, ANSWERED):
        assert text.encode() not in written
        assert text not in told


def spooled(**fields: Any) -> bytes:
    """What a call leaves in the spool."""
    recording = Recording(source=Source.GATEWAY, method="POST", **fields)
    recording.application = "shop"
    recording.begin()
    recording.end(Judgement(Outcome.OK))
    folder = spool.mine().directory
    return b"".join(path.read_bytes() for path in folder.glob("*.log"))


@pytest.mark.parametrize(
    ("how", "address", "kept"),
    [
        ("full", ADDRESS, ADDRESS),
        ("truncated", ADDRESS, "203.0.113.0/24"),
        ("truncated", "2001:db8:1:2::3", "2001:db8:1::/48"),
        ("full", "", ""),
        ("truncated", "", ""),
        ("hashed", "", ""),
    ],
)
def test_the_address_is_kept_as_the_setting_says(
    settings: Settings, how: str, address: str, kept: str
) -> None:
    settings.CALLER_ADDRESS = how
    assert addresses.recorded(address) == kept


def test_a_hash_tells_callers_apart_and_nothing_else(settings: Settings) -> None:
    settings.CALLER_ADDRESS = "hashed"
    one = addresses.recorded(ADDRESS)
    assert one == addresses.recorded(ADDRESS)
    assert one != addresses.recorded("203.0.113.78")
    assert ADDRESS not in one and len(one) <= 45
    with override_settings(SECRET_KEY="another installation's " * 3):
        assert addresses.recorded(ADDRESS) != one


@pytest.mark.parametrize("how", ["truncated", "hashed"])
def test_the_full_address_never_reaches_the_spool(settings: Settings, how: str) -> None:
    settings.CALLER_ADDRESS = how
    assert ADDRESS.encode() not in spooled(address=ADDRESS)


def test_the_gateway_keeps_it_so(gateway: Server, key: str, settings: Settings) -> None:
    settings.CALLER_ADDRESS = "truncated"
    gateway.post(TEXT2IMG, json={"key": key}, headers={"User-Agent": "x" * 5000})
    wait_until(Call.objects.exists)
    call = Call.objects.get()
    assert call.address == "127.0.0.0/24"
    assert len(call.user_agent) == 200


def remembered() -> str:
    """The keys of every cache of this process's functions."""
    caches = [one for one in gc.get_objects() if type(one) is _lru_cache_wrapper]
    inside = [told for cache in caches for told in gc.get_referents(cache)]
    return repr([list(told) for told in inside if isinstance(told, dict)])


def test_what_a_caller_calls_itself_is_not_remembered(gateway: Server, key: str) -> None:
    """It may be the real key, sent where it doesn't belong."""
    assert remembered() != "[]"
    gateway.post(TEXT2IMG, json={"key": key}, headers={"User-Agent": AGENT})
    wait_until(Call.objects.exists)
    assert AGENT not in remembered()
