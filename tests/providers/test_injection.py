"""Where the app key may sit, and that only the provider's key leaves."""

import base64
import json
import tracemalloc
from typing import Any
from urllib.parse import parse_qsl, quote

import pytest

from keys.providers.anthropic import ANTHROPIC
from keys.providers.base import BEARER, Placement, ProviderSpec
from keys.providers.injection import BadBody, Found, Outgoing, found_inside, inject
from keys.providers.modelslab import BODY, MODELSLAB
from keys.providers.openai import OPENAI
from keys.vault import Secret
from tests.providers.finding import find_credentials
from tests.providers.test_conformance import CUSTOM

APP = "kd_live_0123456789AB_" + "Za9" * 12 + "xy"
REAL = "ml-REAL/secret+of=the&provider"
SECRET = Secret(REAL)
IMAGES = "/api/v6/images/text2img"
JSON = ("Content-Type", "application/json")
FORM = ("content-type", "application/x-www-form-urlencoded")
MULTIPART = ("Content-Type", "multipart/form-data; boundary=xYz")

Header = tuple[str, str]


def post(body: Any = b"", *headers: Header, path: str = IMAGES, query: str = "") -> Outgoing:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = headers or ((JSON,) if content else ())
    return Outgoing("POST", path, query, tuple(sent), content)


def get(*headers: Header, path: str = IMAGES, query: str = "") -> Outgoing:
    return Outgoing("GET", path, query, headers)


def header(sent: Outgoing, name: str) -> list[str]:
    return [value for key, value in sent.headers if key.lower() == name]


def multipart(**fields: str) -> bytes:
    parts = "".join(
        f'--xYz\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    return f"{parts}--xYz--\r\n".encode()


class TestFinding:
    @pytest.mark.parametrize(
        ("sent", "placement"),
        [
            (post({"key": APP}), Placement("body", "key")),
            (post({"\u006bey": APP}), Placement("body", "key")),
            (post(b'{"k\\u0065y": "%s"}' % APP.encode()), Placement("body", "key")),
            (post(b"prompt=a&key=" + APP.encode(), FORM), Placement("body", "key")),
            (post({"key": APP}, FORM), Placement("body", "key")),
            (post(multipart(prompt="a", key=APP), MULTIPART), Placement("body", "key")),
            (get(("Authorization", f"Bearer {APP}")), BEARER),
            (get(("authorization", f"bearer  {APP} ")), BEARER),
            (get(("Authorization", APP)), Placement("header", "authorization")),
            (get(("Authorization", f"Token {APP}")), Placement("header", "authorization")),
            (get(("X-Api-Key", APP)), Placement("header", "x-api-key")),
            (get(("Key", APP)), Placement("header", "key")),
            (get(("x-goog-api-key", APP)), Placement("header", "x-goog-api-key")),
            (get(query=f"a=1&key={APP}"), Placement("query", "key")),
            (get(query=f"%6bey={quote(APP)}"), Placement("query", "key")),
        ],
    )
    def test_finds_the_key_where_the_providers_clients_put_it(
        self, sent: Outgoing, placement: Placement
    ) -> None:
        assert find_credentials(sent) == [Found(placement, APP)]

    def test_passes_over_what_is_no_base64_in_basic(self) -> None:
        token = base64.b64encode(f"anyone:{APP}".encode()).decode()
        for held in (f"Basic {token[:9]}\xff{token[9:]}", f"Basic {token}é"):
            (_, password) = find_credentials(get(("Authorization", held)))
            assert password.text == APP
            sent = inject(OPENAI, get(("X-Other", held)), APP, SECRET)
            assert header(sent, "X-Other") == []
        assert find_credentials(get(("Authorization", "Basic \xff"))) == []

    def test_finds_either_part_of_basic(self) -> None:
        token = base64.b64encode(f"user:{APP}".encode()).decode()
        found = find_credentials(get(("Authorization", f"Basic {token}")))
        assert [credential.text for credential in found] == ["user", APP]

    def test_finds_every_one_of_several(self) -> None:
        sent = post({"key": APP}, JSON, ("Key", APP), ("Authorization", f"Bearer {APP}"))
        assert len(find_credentials(sent)) == 3

    @pytest.mark.parametrize("spec", CUSTOM, ids=lambda spec: spec.slug)
    def test_finds_it_in_a_custom_providers_own_place(self, spec: ProviderSpec) -> None:
        (place,) = spec.accepts
        sent = {
            "header": get((place.name, APP)),
            "bearer": get(("Authorization", f"Bearer {APP}")),
            "query": get(query=f"token={APP}"),
            "body": post({place.name: APP}),
        }[place.place]
        assert find_credentials(sent, spec) == [Found(place, APP)]

    def test_finds_nothing_where_there_is_nothing(self) -> None:
        assert find_credentials(post({"prompt": "the key is under the mat"})) == []
        assert find_credentials(post({"meta": {"key": APP}})) == []
        assert find_credentials(get()) == []


class TestRefusing:
    @pytest.mark.parametrize(
        "body",
        [
            b'{"key": ',
            b"key=abc",
            '{"key": "é"}'.encode("utf-16"),
            b"[" * 100_000,
            b'{"key": "a", "key": "b"}',
            b'{"key": "a", "k\\u0065y": "b"}',
            b'{"meta": {"key": 1}, "key": "a", "x": [{"key": 2}], "key": 3}',
        ],
    )
    def test_json_that_has_no_one_reading(self, body: bytes) -> None:
        with pytest.raises(BadBody):
            find_credentials(post(body))

    @pytest.mark.parametrize("body", [b"[]", b'"text"', b"null", b"7"])
    def test_json_that_has_no_place_for_the_key(self, body: bytes) -> None:
        with pytest.raises(BadBody, match="object"):
            inject(MODELSLAB, post(body, JSON, ("Key", APP)), APP, SECRET)

    def test_two_key_fields_in_a_form(self) -> None:
        with pytest.raises(BadBody):
            find_credentials(post(b"key=a&key=b", FORM))
        with pytest.raises(BadBody):
            find_credentials(post(multipart(key="a") + multipart(key="b"), MULTIPART))

    def test_a_compressed_body_that_could_hide_the_key(self) -> None:
        with pytest.raises(BadBody, match="Content-Encoding"):
            find_credentials(post(b"\x1f\x8b", JSON, ("Content-Encoding", "gzip")))

    def test_a_part_whose_head_has_no_end(self) -> None:
        head = b"content-disposition:" * 5_000
        body = b"--B\r\n" + head + b"\r\n\r\nx\r\n--B--\r\n"
        with pytest.raises(BadBody, match="head"):
            find_credentials(post(body, ("Content-Type", "multipart/form-data; boundary=B")))

    @pytest.mark.parametrize(
        ("body", "announced"), [(b"&" * 2000, FORM), (b"\r\n--xYz" * 2000, MULTIPART)]
    )
    def test_a_form_of_countless_fields(self, body: bytes, announced: tuple[str, str]) -> None:
        with pytest.raises(BadBody, match="1000"):
            find_credentials(post(body, announced))

    @pytest.mark.parametrize(
        "body",
        [
            b'\xef\xbb\xbf{"key": "a"}',
            '{"key": "a"}'.encode("utf-16"),
            b'{"key": "a"} x',
            b'{"key": "a"}{"key": "b"}',
            b'{"key": "\xff"}',
            b'{"key": "a",}',
            b'{"a": ' + b"1" * 5000 + b"}",
        ],
    )
    def test_what_some_readers_take_for_json_and_others_do_not(self, body: bytes) -> None:
        with pytest.raises(BadBody, match="not valid JSON"):
            find_credentials(post(body))

    def test_a_key_hidden_inside_a_key(self) -> None:
        nested = APP[:20] * 3 + APP[20:] * 3
        with pytest.raises(BadBody, match="inside"):
            inject(OPENAI, post({"prompt": nested}), APP, SECRET)

    def test_the_app_key_in_the_path(self) -> None:
        with pytest.raises(BadBody):
            inject(OPENAI, get(path=f"/v1/{APP}/me"), APP, SECRET)


class TestModelsLab:
    def test_the_body_key_is_replaced_and_nothing_else_moves(self) -> None:
        body = (
            b'{ "key" : "%s",\n "seed": 123456789012345678901234567890, "x": 1.0, "p": "\\u00e9"}'
        )
        sent = inject(MODELSLAB, post(body % APP.encode()), APP, SECRET)
        assert sent.body == body % REAL.encode()
        assert sent.headers == (JSON,)

    def test_one_key_in_header_and_body_is_in_the_body_alone(self) -> None:
        sent = inject(MODELSLAB, post({"key": APP, "p": 1}, JSON, ("Key", APP)), APP, SECRET)
        assert json.loads(sent.body) == {"key": REAL, "p": 1}
        assert sent.headers == (JSON,)

    @pytest.mark.parametrize(
        "name_and_value", [("Authorization", f"Bearer {APP}"), ("x-api-key", APP), ("key", APP)]
    )
    def test_a_key_sent_in_a_header_alone_goes_where_it_is_documented(
        self, name_and_value: Header
    ) -> None:
        sent = inject(MODELSLAB, post({"p": 1}, JSON, name_and_value), APP, SECRET)
        assert json.loads(sent.body) == {"key": REAL, "p": 1}
        assert sent.headers == (JSON,)

    def test_a_body_is_made_where_there_is_none(self) -> None:
        sent = inject(MODELSLAB, post(b"", ("Key", APP), ("Content-Length", "0")), APP, SECRET)
        assert json.loads(sent.body) == {"key": REAL}
        assert sent.headers == (("Content-Type", "application/json"),)

    def test_an_empty_object_gets_the_key_without_a_comma(self) -> None:
        sent = inject(MODELSLAB, post(b" { } ", JSON, ("Key", APP)), APP, SECRET)
        assert json.loads(sent.body) == {"key": REAL}

    def test_a_get_carries_it_in_the_query(self) -> None:
        sent = inject(MODELSLAB, get(("Key", APP), path="/api/v6/anything"), APP, SECRET)
        assert parse_qsl(sent.query) == [("key", REAL)]
        assert sent.headers == ()

    def test_a_query_key_stays_in_the_query_beside_what_else_was_there(self) -> None:
        asked = get(path="/api/v6/model-search", query=f"q=a%20b&key={APP}&page=2")
        sent = inject(MODELSLAB, asked, APP, SECRET)
        assert sent.query == f"q=a%20b&page=2&key={quote(REAL, safe='')}"

    @pytest.mark.parametrize(
        ("path", "headers", "expected"),
        [
            ("/api/v7/llm/chat/completions", ("Authorization", f"Bearer {APP}"), "authorization"),
            ("/api/v7/llm/v1/messages", ("x-api-key", APP), "x-api-key"),
            ("/api/v7/llm/v1/models", ("Authorization", f"Bearer {APP}"), "authorization"),
            ("/api/uncensored-chat/v1/chat/completions", ("x-api-key", APP), "authorization"),
            ("/api/v1/workflows/7/run", ("Authorization", f"Bearer {APP}"), "key"),
            ("/mcp/v7", ("X-API-Key", APP), "x-api-key"),
        ],
    )
    def test_each_family_of_paths_has_its_place(
        self, path: str, headers: Header, expected: str
    ) -> None:
        sent = inject(MODELSLAB, post({"p": 1}, JSON, headers, path=path), APP, SECRET)
        assert header(sent, expected)[0].endswith(REAL)
        assert json.loads(sent.body) == {"p": 1}

    def test_chat_takes_the_body_key_where_the_caller_used_it(self) -> None:
        asked = post({"key": APP, "model_id": "m"}, path="/api/v7/llm/chat/completions")
        sent = inject(MODELSLAB, asked, APP, SECRET)
        assert json.loads(sent.body) == {"key": REAL, "model_id": "m"}
        assert header(sent, "authorization") == []

    def test_a_rival_credential_does_not_stand_beside_the_real_one(self) -> None:
        asked = post(
            {"key": APP}, JSON, ("Authorization", "Bearer other"), ("X-Api-Key", "other"),
            query="key=other",
        )  # fmt: skip
        sent = inject(MODELSLAB, asked, APP, SECRET)
        assert "other" not in str(tuple(sent))

    def test_a_nested_key_is_none_of_ours(self) -> None:
        asked = post({"a": {"key": "mine"}, "key": APP, "list": [{"key": 2}], "z": "\\"})
        sent = inject(MODELSLAB, asked, APP, SECRET)
        assert json.loads(sent.body) == {
            "a": {"key": "mine"}, "key": REAL, "list": [{"key": 2}], "z": "\\",
        }  # fmt: skip

    def test_a_form_field_is_replaced(self) -> None:
        sent = inject(MODELSLAB, post(f"p=a+b&key={APP}".encode(), FORM), APP, SECRET)
        assert parse_qsl(sent.body.decode()) == [("p", "a b"), ("key", REAL)]

    def test_a_multipart_field_is_replaced(self) -> None:
        sent = inject(MODELSLAB, post(multipart(a="1", key=APP, b="2"), MULTIPART), APP, SECRET)
        assert sent.body == multipart(a="1", key=REAL, b="2")

    def test_a_multipart_body_gets_a_field(self) -> None:
        sent = inject(MODELSLAB, post(multipart(a="1"), MULTIPART, ("Key", APP)), APP, SECRET)
        assert sent.body == multipart(key=REAL, a="1")

    def test_an_opaque_body_passes_with_the_key_in_the_header(self) -> None:
        media = ("Content-Type", "application/octet-stream")
        sent = inject(MODELSLAB, post(b"\x00\x01", media, ("Key", APP)), APP, SECRET)
        assert (sent.body, header(sent, "key")) == (b"\x00\x01", [REAL])


class TestOthers:
    @pytest.mark.parametrize("method", ["GET", "DELETE", "HEAD"])
    def test_a_member_is_never_put_into_the_url_of_a_provider_that_takes_none_there(
        self, method: str
    ) -> None:
        asked = Outgoing(method, "/me", f"auth={APP}&a=1", ())
        sent = inject(CUSTOM[3], asked, APP, SECRET)
        assert (sent.query, json.loads(sent.body)) == ("a=1", {"auth": REAL})
        assert header(sent, "content-type") == ["application/json"]

    def test_openai_gets_a_bearer_and_loses_the_body_member(self) -> None:
        asked = post(b'{"model":"m","key":"%s"}' % APP.encode(), path="/v1/chat/completions")
        sent = inject(OPENAI, asked, APP, SECRET)
        assert sent.body == b'{"model":"m"}'
        assert header(sent, "authorization") == [f"Bearer {REAL}"]

    def test_a_member_called_key_that_is_not_the_app_key_stays(self) -> None:
        asked = post({"key": "of the piano"}, JSON, ("Authorization", f"Bearer {APP}"))
        assert inject(OPENAI, asked, APP, SECRET).body == asked.body

    def test_a_header_that_is_no_credential_of_the_provider_stays(self) -> None:
        asked = get(("Authorization", f"Bearer {APP}"), ("X-Api-Key", "other"), ("A", "b"))
        sent = inject(OPENAI, asked, APP, SECRET)
        assert header(sent, "x-api-key") == ["other"]
        assert header(sent, "a") == ["b"]

    def test_anthropic_takes_x_api_key_and_a_version_if_none_was_sent(self) -> None:
        sent = inject(ANTHROPIC, get(("Authorization", f"Bearer {APP}")), APP, SECRET)
        assert header(sent, "x-api-key") == [REAL]
        assert header(sent, "anthropic-version") == ["2023-06-01"]
        asked = get(("x-api-key", APP), ("anthropic-version", "2099-01-01"))
        assert header(inject(ANTHROPIC, asked, APP, SECRET), "anthropic-version") == ["2099-01-01"]

    @pytest.mark.parametrize(
        "value",
        ["NaN", "1e400", "-0.0", "1.10", '"\\ud800"', "[" * 1000 + "]" * 1000],
        ids=["nan", "huge", "zero", "digits", "surrogate", "deep"],
    )
    def test_whatever_a_value_is_it_stays_beside_a_key_spelled_with_escapes(
        self, value: str
    ) -> None:
        body = '{"a": %s, "c": "say \\u006b%s"}'
        asked = post((body % (value, APP[1:])).encode(), JSON, ("Authorization", f"Bearer {APP}"))
        sent = inject(OPENAI, asked, APP, SECRET)
        assert sent.body == b'{"a": %s, "c": "say "}' % value.encode()

    def test_a_changed_body_leaves_its_length_to_the_sender(self) -> None:
        asked = post({"key": APP}, JSON, ("Content-Length", "60"))
        assert header(inject(MODELSLAB, asked, APP, SECRET), "content-length") == []
        untouched = post(
            {"a": 1}, JSON, ("Content-Length", "8"), ("Authorization", f"Bearer {APP}")
        )
        assert header(inject(OPENAI, untouched, APP, SECRET), "content-length") == ["8"]


@pytest.mark.parametrize("path", [f"/v1/{APP}", f"/v1/{APP.replace('_', '%5F')}/x"])
def test_a_key_in_the_path_is_refused_however_it_is_written(path: str) -> None:
    with pytest.raises(BadBody, match="path"):
        inject(OPENAI, Outgoing("GET", path, "", ()), APP, SECRET)


def test_a_request_is_shown_without_its_credentials() -> None:
    asked = Outgoing("POST", "/v1/x", f"key={APP}", (("X-Api-Key", APP),), APP.encode())
    assert APP not in repr(asked)


@pytest.mark.parametrize("at", [0, 65_536 - 400, 65_536 - 3, 65_536, 200_000])
def test_the_app_key_goes_from_a_long_field_wherever_it_stands(at: int) -> None:
    once = "".join(f"%{ord(char):02x}" for char in APP)
    for spelled in (APP, once, once.replace("%", "%25")):
        body = f"a=1&prompt={'x' * at}{spelled}{'x' * 1000}&key={APP}".encode()
        sent = inject(MODELSLAB, post(body, FORM), APP, SECRET)
        assert sent.body == f"a=1&key={quote(REAL, safe='')}".encode()


def test_a_long_field_is_not_decoded_whole() -> None:
    asked = post(b"key=" + b"%41" * 1_000_000, FORM)
    tracemalloc.start()
    try:
        assert [found.placement for found in found_inside(asked, MODELSLAB)] == [BODY]
        inject(MODELSLAB, asked, APP, SECRET)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 40_000_000  # whole: 240
