"""What a KeyedSession raises, and that each failure is one recorded event."""

import traceback
from collections.abc import Callable

import pytest
import requests
from django.db import OperationalError
from pytest_django import Settings

from keys import vault
from keys.models import ProviderKey
from keys.states import KeyState
from tests.live import free_port
from tests.upstream import Answer, Upstream
from tests.wrapper.conftest import REAL, TEXT2IMG, only_call
from usage import client
from usage.client import KeyedSession
from usage.models import Call


def test_no_connection_is_requests_own_error_and_recorded(
    start_session: Callable[..., KeyedSession], settings: Settings
) -> None:
    port = free_port()
    settings.OUTBOUND_ALLOW = [f"127.0.0.1:{port}"]
    settings.PROVIDER_URLS = {"modelslab": f"http://127.0.0.1:{port}"}
    with pytest.raises(requests.ConnectionError) as caught:
        start_session().get("/api/v7/models")
    call = only_call()
    assert (call.outcome, call.code, call.status) == ("network_error", "upstream_unreachable", 0)
    assert_hidden(caught.value)


def assert_hidden(error: requests.RequestException) -> None:
    """The key was in the URL; nothing of the error shows it."""
    assert error.request is not None
    assert REAL not in str(error.request.url) + repr(error)
    assert REAL not in "".join(traceback.format_exception(error))
    assert error.__cause__ is None
    assert error.__suppress_context__


def test_no_answer_in_time_is_a_timeout_and_recorded(
    session: KeyedSession, provider: Upstream
) -> None:
    provider.answer(200, wait_for=provider._closing)
    with pytest.raises(requests.ReadTimeout) as caught:
        session.get("/api/v7/models", timeout=0.2)
    call = only_call()
    assert (call.outcome, call.code) == ("network_error", "upstream_timeout")
    assert_hidden(caught.value)


def test_there_is_a_time_out_without_asking(
    start_session: Callable[..., KeyedSession], provider: Upstream, settings: Settings
) -> None:
    settings.GATEWAY_TIMEOUT = 0.2
    provider.answer(200, wait_for=provider._closing)
    with pytest.raises(requests.ReadTimeout):
        start_session().get("/api/v7/models")


def test_a_body_that_breaks_off_is_recorded(session: KeyedSession, provider: Upstream) -> None:
    def broken() -> object:
        yield b"half"
        raise ConnectionResetError

    provider.handler = lambda _: Answer(200, broken(), {"Content-Type": "image/png"})
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        session.post(TEXT2IMG, json={"prompt": "x"})
    call = only_call()
    assert (call.outcome, call.status, call.bytes_out) == ("network_error", 200, 4)


def test_another_address_than_the_providers_is_refused(
    session: KeyedSession, provider: Upstream
) -> None:
    for url in (
        "https://example.com/api",
        provider.url.replace("http://", "http://user:pw@"),
        "http://127.0.0.1/api",
        provider.url.replace("127.0.0.1", "127.0.0.2") + "/api",
    ):
        with pytest.raises(client.NotTheProvider):
            session.get(url)
    assert provider.requests == []
    assert Call.objects.count() == 0


def test_a_prepared_request_to_another_address_is_refused(session: KeyedSession) -> None:
    prepared = requests.Request("GET", "https://example.com/").prepare()
    with pytest.raises(client.NotTheProvider):
        session.send(prepared)


def test_no_usable_key_is_said_and_recorded_as_denied(
    session: KeyedSession, provider_key: ProviderKey, provider: Upstream
) -> None:
    ProviderKey.objects.update(state=KeyState.DISABLED)
    with pytest.raises(client.NoUsableKey):
        session.post(TEXT2IMG, json={"prompt": "x"})
    call = only_call()
    assert (call.outcome, call.code) == ("denied", "no_usable_key")
    assert provider.requests == []


def test_a_sealed_vault_is_said(session: KeyedSession, settings: Settings) -> None:
    settings.MASTER_KEYS = ""
    vault.forget()
    with pytest.raises(client.Sealed):
        session.post(TEXT2IMG, json={"prompt": "x"})


def test_a_dangerous_endpoint_and_a_malformed_body_are_refused(session: KeyedSession) -> None:
    with pytest.raises(client.Refused):
        session.post("/api/v3/buy_subscription", json={})
    with pytest.raises(client.Refused):
        session.post(TEXT2IMG, data="{", headers={"Content-Type": "application/json"})


def test_unknown_names_are_said(start_session: Callable[..., KeyedSession]) -> None:
    with pytest.raises(client.UnknownApplication):
        start_session(application="nobody").get("/api/v7/models")
    with pytest.raises(client.UnknownProvider):
        start_session(provider="nobody").get("/x")


def test_every_keydeck_error_is_a_requests_error() -> None:
    kinds = [kind for kind in vars(client).values() if isinstance(kind, type)]
    own = [kind for kind in kinds if issubclass(kind, client.KeydeckError)]
    assert all(issubclass(kind, requests.RequestException) for kind in own)
    assert all(kind.__name__ in (client.__doc__ or "") for kind in own)


def test_a_database_that_is_away_is_said_whoever_asks_it(
    session: KeyedSession, monkeypatch: pytest.MonkeyPatch, provider: Upstream
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr("usage.client.calling.Choice.candidate", away)
    with pytest.raises(client.Unavailable):
        session.post(TEXT2IMG, json={"prompt": "x"})
    assert provider.requests == []


def test_an_unreadable_answer_is_the_providers_fault(
    session: KeyedSession, provider: Upstream
) -> None:
    provider.answer(200, b"not gzip", headers={"Content-Encoding": "gzip"})
    with pytest.raises(requests.exceptions.ContentDecodingError):
        session.post(TEXT2IMG, json={"prompt": "x"})
    call = only_call()
    assert (call.outcome, call.code) == ("upstream_error", "unreadable_answer")
