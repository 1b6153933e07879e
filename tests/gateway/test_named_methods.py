"""A method that a request names beside its request line, for frameworks that believe it there."""

from typing import Any

import pytest

from keys.models import Application, ProviderKey
from tests.factories import AppKeyFactory
from tests.gateway.conftest import TEXT2IMG
from tests.gateway.serving import Server, stored_call
from tests.upstream import Upstream


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
    bearer = {"Authorization": f"Bearer {key.plaintext}"}
    refused = gateway.post(f"{TEXT2IMG}?{query}", headers=bearer, **body)
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
