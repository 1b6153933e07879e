"""A provider that lies or breaks off raises requests' own exceptions from a KeyedSession; each call
is recorded once, and the next one gets its own answer."""

from collections.abc import Callable

import requests
from pytest_django import Settings

from tests.gateway.hostile import TABLES, as_play
from tests.gateway.raw import RawProvider
from tests.gateway.serving import wait_until
from tests.live import PATIENCE
from tests.upstream import Upstream
from tests.wrapper.conftest import REAL
from usage.client import KeyedSession
from usage.models import Call

Cut = requests.exceptions.ChunkedEncodingError
Away = requests.ConnectionError
Late = requests.ReadTimeout
Packed = requests.exceptions.ContentDecodingError
ENDS: dict[str, tuple[type[Exception] | int, str]] = {
    "too-long-closed": (Cut, "network_error"),
    "too-short-answer": (200, "ok"),
    "too-short-garbage": (200, "ok"),
    "too-short-half": (200, "ok"),
    "conflict": (Away, "network_error"),
    "good-then-another": (200, "ok"),
    "size-words": (Cut, "network_error"),
    "size-negative": (Cut, "network_error"),
    "size-too-small": (Cut, "network_error"),
    "size-endless": (Cut, "network_error"),
    "extension-endless": (Cut, "network_error"),
    "end-missing": (Cut, "network_error"),
    "huge-value": (Away, "network_error"),
    "ten-thousand": (Away, "network_error"),
    "endless": (Away, "network_error"),
    "endless-status": (Away, "network_error"),
    "bare-words": (Away, "network_error"),
    "nothing-closed": (Away, "network_error"),
    "below-100": (Away, "network_error"),
    "four-digits": (Away, "network_error"),
    "above-599": (Away, "upstream_error"),
    "upgrade": (Away, "upstream_error"),
    "hints-first": (Away, "upstream_error"),
    "other-protocol": (Away, "network_error"),
    "key-in-reason": (200, "ok"),
    "body-to-204": (204, "ok"),
    "body-to-head": (200, "ok"),
    "second-answer-to-204": (204, "ok"),
    "gzip-bad": (Packed, "upstream_error"),
    "gzip-checksum": (Packed, "upstream_error"),
    "twice": (Packed, "upstream_error"),
    "key-inside": (200, "ok"),
    "reset-at-once": (Away, "network_error"),
    "reset-in-head": (Away, "network_error"),
    "reset-in-json": (Cut, "network_error"),
    "reset-in-events": (Cut, "network_error"),
    "silence": (Late, "network_error"),
    "byte-by-byte": (200, "ok"),
    "half-close": (200, "ok"),
    "half-close-in-body": (Cut, "network_error"),
    "key-in-single-bytes": (200, "ok"),
    "key-in-headers": (200, "ok"),
}


def end_of(session: KeyedSession, method: str, name: str) -> tuple[type[Exception] | int, str]:
    """What a call came to: its status or exception, and all that the caller is shown."""
    try:
        patience = 0.5 if ENDS.get(name, (None,))[0] is Late else PATIENCE
        answer = session.request(method, f"/api/v6/{name}", json={"prompt": "x"}, timeout=patience)
    except requests.RequestException as error:
        return type(error), repr(error)
    return answer.status_code, f"{answer.reason} {answer.headers} {answer.text}"


def test_a_hostile_answer_is_one_of_requests_own_exceptions(
    start_session: Callable[..., KeyedSession], settings: Settings
) -> None:
    cases = {name: case for table in TABLES for name, case in table.items() if name in ENDS}
    provider = RawProvider({name: as_play(case) for name, case in cases.items()})
    settings.PROVIDER_URLS = {"modelslab": f"http://{provider.host}"}
    settings.OUTBOUND_ALLOW = [provider.host]
    session, wrong = start_session(), {}
    try:
        for name, case in cases.items():
            found, shown = end_of(session, case.method, name)
            if found != ENDS[name][0] or REAL in shown:
                wrong[name] = f"{found} {shown[:80]}"
            if end_of(session, "POST", f"after-{name}")[0] != 200:
                wrong[name] = "the next call failed"
    finally:
        provider.close()
    assert wrong == {}
    wait_until(lambda: Call.objects.count() >= 2 * len(cases))
    told = list(Call.objects.order_by("pk").values_list("outcome", flat=True))
    expected = [end for name in cases for end in (ENDS[name][1], "ok")]
    assert told == expected


def test_the_key_is_masked_across_what_is_read_piece_by_piece(
    session: KeyedSession, provider: Upstream
) -> None:
    provider.answer(200, f"key={REAL}; {REAL[:9]}", headers={"Content-Type": "text/plain"})
    for size in (1, 7, 60):
        answer = session.post("/api/v6/a", json={}, stream=True)
        assert answer.raw.read(0) == b""
        whole = b"".join(iter(lambda raw=answer.raw, size=size: raw.read(size), b""))
        assert whole == f"key={'*' * len(REAL)}; {REAL[:9]}".encode()
