"""The OpenAPI document: everything DESIGN fixed is in it, and what it says is so."""

import json
import re
from pathlib import Path

import pytest
from django.test import Client

README = Path(__file__).resolve().parents[2] / "README.md"

A = "/api/v1/applications/{slug}"
P = f"{A}/provider-keys/{{key_id}}"
K = f"{A}/app-keys/{{key_id}}"
FIXED = [
    ("post", "/api/v1/applications"),
    ("get", "/api/v1/applications"),
    ("get", A),
    ("get", f"{A}/members"),
    ("post", f"{A}/members"),
    ("delete", f"{A}/members/{{email}}"),
    ("post", "/api/v1/providers"),
    ("get", "/api/v1/providers"),
    ("get", f"{A}/provider-keys"),
    ("post", f"{A}/provider-keys"),
    ("get", f"{A}/app-keys"),
    ("post", f"{A}/app-keys"),
    *[("get", key) for key in (P, K)],
    *[
        ("post", f"{key}/{act}")
        for key in (P, K)
        for act in (
            "rotate",
            "rotation/finish",
            "rotation/cancel",
            "disable",
            "enable",
            "revoke",
            "reveal",
        )
    ],
    ("post", f"{P}/check"),
    ("get", "/api/v1/usage/totals"),
    ("get", "/api/v1/usage/series"),
    ("get", "/api/v1/calls"),
    ("get", "/api/v1/calls/{request_id}"),
    ("get", "/api/v1/ledger"),
    ("get", "/api/v1/audit"),
    ("get", "/api/v1/audit/verify"),
]


@pytest.fixture(scope="module")
def document():
    """Read without a token: it holds nothing of the installation."""
    response = Client().get("/api/v1/openapi.json")
    assert response.status_code == 200
    return response.json()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method, path, operation


def test_it_is_openapi_3_1(document):
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "Keydeck"


def test_the_addresses_where_the_readme_says_rest_is_described_answer():
    named = re.findall(r"`(/api/v1/[^`]+)`", README.read_text())
    assert named
    assert {path: Client().get(path).status_code for path in named} == dict.fromkeys(named, 200)


@pytest.mark.parametrize(("method", "path"), FIXED)
def test_the_fixed_operation_is_there(document, method, path):
    assert method in document["paths"][path]


def test_every_operation_has_an_id_of_its_own(document):
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z_]+", one) for one in ids)


def test_every_operation_needs_the_bearer_token(document):
    (name,) = document["components"]["securitySchemes"]
    scheme = document["components"]["securitySchemes"][name]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer")
    for _, path, operation in operations(document):
        assert operation["security"] == [{name: []}], path


def test_every_operation_tells_its_errors(document):
    for method, path, operation in operations(document):
        told = set(operation["responses"])
        assert {"401", "403", "404", "500"} <= told, path
        assert told & {"200", "201", "202", "204"}, path
        if method == "post":
            assert {"400", "409", "413", "422"} <= told, path


def test_every_reference_leads_somewhere(document):
    for name in re.findall(r'"\$ref": "#/components/schemas/([^"]+)"', json.dumps(document)):
        assert name in document["components"]["schemas"], name


def test_a_credential_is_described_as_it_is_sent(document):
    described = document["components"]["schemas"]["CredentialIn"]["properties"]
    assert set(described) == {"in", "name", "prefix"}


def test_secrets_are_marked_write_only(document):
    secret = document["components"]["schemas"]["ProviderKeyIn"]["properties"]["secret"]
    assert secret["writeOnly"] is True


def test_an_answer_has_the_fields_that_the_document_promises(document, rest, owner, app_key):
    shown = rest(owner).get(f"/applications/shop/app-keys/{app_key.id}").json
    assert shown.keys() == document["components"]["schemas"]["AppKeyOut"]["properties"].keys()
