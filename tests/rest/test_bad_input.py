"""Whatever is sent gets a clear answer: the status, the field, and never a 500."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.rest.conftest import Rest

pytestmark = pytest.mark.django_db
A = "/applications/shop"
APP_KEY = {"name": "Worker"}
PROVIDER_KEY = {"name": "Main", "provider": "modelslab", "secret": "secret-0123456789"}
PROVIDER = {
    "slug": "acme",
    "name": "Acme",
    "base_url": "https://api.acme.example",
    "credential": {"in": "header", "name": "X-Key"},
}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/applications", {}, "name"),
        ("/applications", {"name": "   "}, "name"),
        ("/applications", {"name": "x" * 101}, "name"),
        ("/applications", {"name": "a\u0000b"}, "name"),
        ("/applications", {"name": "a\nb"}, "name"),
        ("/applications", {"name": 5}, "name"),
        ("/applications", {"name": "Shop", "slug": "Not A Slug"}, "slug"),
        ("/applications", {"name": "Shop", "slug": "x" * 51}, "slug"),
        ("/applications", {"name": "Shop", "colour": "red"}, "colour"),
        (f"{A}/members", {"email": "nobody", "role": "viewer"}, "email"),
        (f"{A}/members", {"email": "a@example.com", "role": "king"}, "role"),
        (f"{A}/app-keys", {**APP_KEY, "environment": "staging"}, "environment"),
        (f"{A}/app-keys", {**APP_KEY, "expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        (f"{A}/app-keys", {**APP_KEY, "expires_at": "2099-01-01T00:00:00"}, "expires_at"),
        (f"{A}/app-keys", {**APP_KEY, "expires_at": "tomorrow"}, "expires_at"),
        (f"{A}/app-keys", {**APP_KEY, "expires_at": 4102444800}, "expires_at"),
        (f"{A}/app-keys", {**APP_KEY, "expires_at": "9999-12-31T23:59:59-23:59"}, "expires_at"),
        (f"{A}/app-keys", {**APP_KEY, "limits": {"per_minute": 0}}, "limits.per_minute"),
        (f"{A}/app-keys", {**APP_KEY, "limits": {"per_day": "9"}}, "limits.per_day"),
        (f"{A}/app-keys", {**APP_KEY, "limits": {"per_month": -1}}, "limits.per_month"),
        (f"{A}/app-keys", {**APP_KEY, "methods": ["FETCH"]}, "methods"),
        (f"{A}/app-keys", {**APP_KEY, "limits": {"concurrency": 2**31}}, "limits.concurrency"),
        (f"{A}/app-keys", {**APP_KEY, "limits": {"per_hour": 1}}, "limits.per_hour"),
        (f"{A}/app-keys", {**APP_KEY, "providers": ["nobody-knows"]}, "providers"),
        (f"{A}/app-keys", {**APP_KEY, "providers": ["a b"]}, "providers.0"),
        (f"{A}/app-keys", {**APP_KEY, "ips": ["10.0.0.300"]}, "ips"),
        (f"{A}/app-keys/KEY/rotate", {"overlap_seconds": -1}, "overlap_seconds"),
        (f"{A}/app-keys/KEY/rotate", {"overlap_seconds": 10**9}, "overlap_seconds"),
        (f"{A}/app-keys/KEY/rotate", {"overlap": 5}, "overlap"),
        (f"{A}/provider-keys", {**PROVIDER_KEY, "provider": "nobody-knows"}, "provider"),
        (f"{A}/provider-keys", {**PROVIDER_KEY, "secret": ""}, "secret"),
        (f"{A}/provider-keys", {**PROVIDER_KEY, "secret": " \n"}, "secret"),
        (f"{A}/provider-keys", {**PROVIDER_KEY, "secret": "two\nlines-of-text"}, "secret"),
        (f"{A}/provider-keys", {**PROVIDER_KEY, "secret": "x" * 10_001}, "secret"),
        (f"{A}/provider-keys", {**PROVIDER_KEY, "secret": ["x"]}, "secret"),
        ("/providers", {**PROVIDER, "slug": "a/b"}, "slug"),
        ("/providers", {**PROVIDER, "base_url": "not a url"}, "base_url"),
        ("/providers", {**PROVIDER, "credential": {"in": "cookie"}}, "credential.in"),
        ("/providers", {**PROVIDER, "probe": {"method": "DELETE", "path": "/"}}, "probe.method"),
    ],
)
def test_a_bad_field_is_named(rest, admin, application, app_key, path, body, field):
    answer = rest(admin).post(path.replace("KEY", app_key.id), body)

    assert answer.status == 422, answer.text
    assert answer.json["error"]["field"] == field
    assert answer.json["error"]["type"] == "invalid_request_error"
    assert answer.json["message"]


def test_a_policy_is_true_or_false_and_no_word_that_sounds_like_it(rest, owner, application):
    for value in ("on", "true", 1, "no"):
        answer = rest(owner).patch(A, {"developers_copy_provider_keys": value})
        assert (answer.status, answer.json["error"]["field"]) == (
            422,
            "developers_copy_provider_keys",
        )
    application.refresh_from_db()
    assert not application.developers_copy_provider_keys


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        (f"{A}/app-keys", {**APP_KEY, "limits": []}, "should be an object"),
        ("/providers", {**PROVIDER, "credential": "X-Key"}, "should be an object"),
        (f"{A}/provider-keys", {**PROVIDER_KEY, "secret": "x" * 10_001}, "4096 characters"),
        (f"{A}/app-keys", {**APP_KEY, "ips": ["10.0.0.1/8"]}, "10.0.0.0/8"),
    ],
)
def test_the_message_speaks_of_json_and_says_what_would_do(
    rest, admin, application, path, body, words
):
    answer = rest(admin).post(path, body)

    assert answer.status == 422
    assert words in answer.json["message"]


def test_every_bad_field_is_told_not_only_the_first(rest, owner, application):
    answer = rest(owner).post(f"{A}/app-keys", {"environment": "x", "colour": "red"})

    fields = {fault["field"] for fault in answer.json["error"]["errors"]}
    assert fields == {"name", "environment", "colour"}


def test_a_refused_secret_is_not_repeated(rest, owner, application):
    secret = "canary-" + "x" * 10_001
    answer = rest(owner).post(f"{A}/provider-keys", {**PROVIDER_KEY, "secret": secret})
    assert "canary" not in answer.text


@pytest.mark.parametrize(
    "raw", [b"{", b"not json", b"\xff\xfe", b'{"name": "a",}', b"[" * 100_000, b"name=a"]
)
def test_malformed_json_is_a_bad_request(rest, owner, raw):
    answer = rest(owner).send("POST", "/applications", raw)

    assert (answer.status, answer.json["error"]["code"]) == (400, "bad_request")


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b'"text"', b"5"])
def test_a_body_that_is_no_object_is_invalid(rest, owner, raw):
    assert rest(owner).send("POST", "/applications", raw).status == 422


def test_a_huge_body_is_refused(rest, owner):
    raw = json.dumps({"name": "x" * 3_000_000})
    answer = rest(owner).send("POST", "/applications", raw)

    assert (answer.status, answer.json["error"]["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "text/xml"])
def test_another_content_type_is_refused(rest, owner, kind):
    answer = rest(owner).send("POST", "/applications", b'{"name": "a"}', content_type=kind)

    assert (answer.status, answer.json["error"]["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "application/x-www-form-urlencoded", ""]
)
def test_json_is_taken_as_curl_sends_it(rest, owner, kind):
    answer = rest(owner).send("POST", "/applications", b'{"name": "a"}', content_type=kind)
    assert answer.status == 201


@pytest.mark.parametrize("path", ["/nothing", "/applications/shop/nothing", "/", "/applications/"])
def test_an_unknown_path_is_json_too(rest, owner, path):
    answer = rest(owner).get(path)

    assert answer.status == 404
    assert answer.json["error"]["code"] == "not_found"


def test_another_method_is_told_which_are_allowed(rest, owner, application):
    answer = rest(owner).delete("/applications")

    assert (answer.status, answer.json["error"]["code"]) == (405, "method_not_allowed")
    assert set(answer.response["Allow"].split(", ")) == {"GET", "POST"}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/applications?limit=0", "limit"),
        ("/applications?limit=1001", "limit"),
        ("/applications?limit=x", "limit"),
        ("/applications?cursor=!!", "cursor"),
        ("/applications?cursor=AA", "cursor"),
        ("/applications?cursor=", "cursor"),
        ("/applications?pgae=2", "pgae"),
        ("/audit?cursor=YWJj", "cursor"),
        ("/providers?cursor=%00", "cursor"),
        ("/usage/totals?since=yesterday", "since"),
        ("/usage/totals?since=2026-01-01T00:00:00", "since"),
        ("/usage/totals?app_kye=x", "app_kye"),
        ("/usage/totals?app_key=a%00b", "app_key"),
        ("/usage/totals?application=a%00b", "application"),
        ("/usage/totals?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "until"),
        ("/usage/series?step=week", "step"),
        ("/usage/series?by=colour", "by"),
        ("/calls?cursor=nonsense", "cursor"),
        ("/calls?outcome=fine", "outcome"),
        ("/calls?status=abc", "status"),
        ("/calls?endpoint=a%00b", "endpoint"),
    ],
)
def test_a_bad_query_is_named(rest, admin, path, field):
    answer = rest(admin).get(path)

    assert answer.status == 422, answer.text
    assert answer.json["error"]["field"] == field


def test_a_plus_in_a_times_offset_may_go_unescaped(rest, admin):
    since = (datetime.now(UTC) - timedelta(hours=2)).replace(second=0, microsecond=0)
    there = since.astimezone(timezone(timedelta(hours=1)))

    found = rest(admin).get(f"/usage/totals?since={there.isoformat()}").json
    assert datetime.fromisoformat(found["since"]) == since


@pytest.mark.parametrize("path", [f"{A}%00", f"{A}/app-keys/%00", "/calls/%00", "/calls/1"])
def test_odd_ids_are_not_found(rest, admin, application, path):
    assert rest(admin).get(path).status == 404


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(
    body=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(
            ("name", "providers", "environment", "expires_at", "limits", "ips"), JSON
        ),
    )
)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_body_breaks_it(application, owner_token, body):
    answer = Rest(owner_token).post(f"{A}/app-keys", body)

    assert answer.status in (201, 409, 422), answer.text
    assert answer.status == 201 or answer.json["error"]["message"]


@pytest.fixture
def owner_token(rest, owner):
    return rest(owner).token
