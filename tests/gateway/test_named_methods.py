"""A method that a request names beside its request line, for frameworks that believe it there."""

from typing import Any

import pytest

from keys.models import Application, ProviderKey
from tests.factories import AppKeyFactory
from tests.gateway.conftest import TEXT2IMG
from tests.gateway.serving import Server, stored_call
from tests.upstream import Upstream

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
OF_PARTS: dict[str, Any] = {"headers": {"Content-Type": "multipart/form-data; boundary=b"}}


def part(disposition: bytes) -> dict[str, Any]:
    """What makes a request with one part."""
    text = b"--b\r\nContent-Disposition: " + disposition + b"\r\n\r\nDELETE\r\n--b--\r\n"
    return {"data": text, **OF_PARTS}


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ("_method=DELETE", {}),
        ("a=1&_method=POST&%5Fmethod=delete", {}),
        (".method=DELETE", {}),
        ("", {"json": {"_method": "DELETE"}}),
        ("", {"json": {"a": {"_method": "POST"}, "_method": " delete "}}),
        ("", {"data": {"_method": "DELETE"}}),
        ("", {"files": {"_method": (None, "DELETE")}}),
        # As PHP and Rack read names and pairs.
        ("%20+_method=DELETE", {}),
        ("_method%00x=DELETE", {}),
        ("a=1;_method=DELETE", {}),
        ("", {"data": '{"a": "&_method=DELETE&"}', "headers": FORM}),
        ("", {"data": "a=1&_method=DELETE"}),
        ("", {"data": '{"_method": "DELETE"}', "headers": {"Content-Type": "text/json-x"}}),
        # As readers of multipart take it that aren't strict.
        ("", part(b'form-data;\r\n name="_method"')),
        ("", part(b"form-data; name='_method'")),
        ("", part(b'form-data; name= "_method"')),
        ("", part(b"form-data; name*=UTF-8''%5Fmethod")),
        ("", {"data": part(b'form-data; name="_method"')["data"].replace(b"\r", b""), **OF_PARTS}),
        ("", part(b'form-data; name="_method"; name="other"')),
    ],
)
def test_a_method_the_key_may_not_use_cannot_be_named(
    gateway: Server,
    application: Application,
    provider: Upstream,
    provider_key: ProviderKey,
    query: str,
    body: dict[str, Any],
) -> None:
    key = AppKeyFactory(application=application, methods=["POST"])
    headers = {"Authorization": f"Bearer {key.plaintext}", **body.get("headers", {})}
    refused = gateway.post(f"{TEXT2IMG}?{query}", **{**body, "headers": headers})
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "endpoint_not_allowed"
    assert refused.json()["message"] == "This app key may not name another method"
    assert provider.requests == []
    assert stored_call(refused).app_key == key.id


def test_an_allowed_method_may_be_named_and_without_a_policy_any(
    gateway: Server, application: Application, provider: Upstream, provider_key: ProviderKey
) -> None:
    for methods, named in ((["POST"], "post"), (None, "DELETE")):
        key = AppKeyFactory(application=application, methods=methods)
        answer = gateway.post(f"{TEXT2IMG}?_method={named}", json={"key": key.plaintext})
        assert answer.status_code == 200
    assert len(provider.requests) == 2


def test_a_name_that_closes_up_behind_the_app_key_is_read_as_the_provider_gets_it(
    gateway: Server, application: Application, provider: Upstream, provider_key: ProviderKey
) -> None:
    key = AppKeyFactory(application=application, methods=["POST"])
    name = f"_me{key.plaintext}thod"
    bearer = {"Authorization": f"Bearer {key.plaintext}"}
    for body in ({"json": {name: "DELETE"}}, {"files": {name: (None, "DELETE")}}):
        assert gateway.post(TEXT2IMG, headers=bearer, **body).status_code == 403
    assert provider.requests == []


@pytest.mark.parametrize("kind", ["", "application/jsonl", "application/json,x", "a/b c"])
def test_to_a_key_with_methods_a_streamed_body_says_what_it_is(
    gateway: Server,
    application: Application,
    provider: Upstream,
    provider_key: ProviderKey,
    kind: str,
) -> None:
    answers = []
    for methods in (["POST"], None):
        key = AppKeyFactory(application=application, methods=methods)
        headers = {"Authorization": f"Bearer {key.plaintext}", "Content-Type": kind}
        chunks = iter([b'{"_method": "DELETE"}'])
        answers.append(gateway.post(TEXT2IMG, headers=headers, data=chunks))
    assert [answer.status_code for answer in answers] == [400, 200]


@pytest.mark.parametrize(
    "body",
    [
        {"json": {"payment_method": "card", "a": {"_method": "DELETE"}, "_method": "post"}},
        {"data": {"payment_method": "card", "_method": "POST"}},
        {"files": {"payment_method": (None, "card"), "_method": (None, "POST")}},
        {"data": b"\x01\x02_method=DELETE", "headers": {"Content-Type": "audio/wav"}},
        {"data": '{"a": 1}\n{"a": 2}\n', "headers": {"Content-Type": "application/jsonl"}},
    ],
)
def test_what_names_no_other_method_passes(
    gateway: Server,
    application: Application,
    provider: Upstream,
    provider_key: ProviderKey,
    body: dict[str, Any],
) -> None:
    key = AppKeyFactory(application=application, methods=["POST"])
    headers = {"Authorization": f"Bearer {key.plaintext}", **body.get("headers", {})}
    assert gateway.post(TEXT2IMG, **{**body, "headers": headers}).status_code == 200
