"""Whatever a request looks like: no copy of the app key leaves, and nothing else changes."""

import base64
import json
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

from hypothesis import given
from hypothesis import strategies as st

from keys.providers.anthropic import ANTHROPIC
from keys.providers.base import ProviderSpec
from keys.providers.injection import BadBody, Outgoing, inject
from keys.providers.modelslab import MODELSLAB
from keys.providers.openai import OPENAI
from keys.vault import Secret
from tests.providers.test_conformance import CUSTOM
from tests.providers.test_injection import (
    APP,
    FORM,
    IMAGES,
    MULTIPART,
    REAL,
    SECRET,
    multipart,
    post,
)

COPIES = st.lists(
    st.sampled_from(
        [
            ("header", "Key", APP),
            ("header", "X-Api-Key", f" {APP}"),
            ("header", "Authorization", f"Bearer {APP}"),
            ("header", "Authorization", "Basic " + base64.b64encode(f"{APP}:".encode()).decode()),
            ("header", "Cookie", f"session={APP}; a=b"),
            ("header", "X-Whatever", f"prefix-{APP}-suffix"),
            ("header", "X-Note", "%6b" + APP[1:]),
            ("header", "X-Note", "%256b" + APP[1:]),
            ("query", "q", "%6b" + APP[1:]),
            ("query", "q", "a%2525%256b" + APP[1:]),
            ("query", "%256b" + APP[1:], "1"),
            ("query", "key", APP),
            ("query", "api_key", quote(APP).replace("k", "%6B")),
            ("query", "q", f"look+for+{APP}"),
            ("query", APP, "1"),
            ("json", "key", APP),
            ("json", "prompt", f"my key is {APP}, or {APP}"),
            ("json", "prompt2", "kd_li" + APP + APP[5:]),
            ("json", "nested", {"key": APP, "list": [APP, {"key": [APP]}]}),
            ("json", "auth", APP),
            ("json", APP, 1),
        ]
    ),
    max_size=8,
)
KINDS = st.sampled_from(["json", "escaped", "urlencoded", "multipart", "text", "none"])


def build(kind: str, copies: list[tuple[str, str, Any]], extra: dict[str, Any]) -> Outgoing:
    headers = [(name, value) for where, name, value in copies if where == "header"]
    query = "&".join(f"{name}={value}" for where, name, value in copies if where == "query")
    fields = extra | {name: value for where, name, value in copies if where == "json"}
    body, media = b"", ""
    if kind in ("json", "escaped"):
        body, media = json.dumps(fields).encode(), "application/json"
        if kind == "escaped":
            body = body.replace(b"kd_", b"k\\u0064\\u005f")
    elif kind == "urlencoded":
        pairs = (f"{quote(name)}={quote(str(value))}" for name, value in fields.items())
        body, media = "&".join(pairs).replace("kd_", "%6bd_").encode(), FORM[1]
    elif kind == "multipart":
        body, media = (
            multipart(**{name: str(value) for name, value in fields.items()}),
            MULTIPART[1],
        )
    elif kind == "text":
        body, media = repr(fields).encode(), "text/csv"
    if media:
        headers.append(("Content-Type", media))
    return Outgoing("POST", IMAGES, query, tuple(headers), body)


@given(
    spec=st.sampled_from([MODELSLAB, OPENAI, ANTHROPIC, *CUSTOM]),
    kind=KINDS,
    copies=COPIES,
    extra=st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_characters='"\r\n'), min_size=1, max_size=5),
        st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=8)
        | st.integers()
        | st.none(),
        max_size=4,
    ),
    path=st.sampled_from([IMAGES, "/api/v7/llm/chat/completions", "/v1/messages"]),
)
def test_no_app_key_survives_and_the_secret_is_there_once(
    spec: ProviderSpec,
    kind: str,
    copies: list[tuple[str, str, Any]],
    extra: dict[str, Any],
    path: str,
) -> None:
    asked = build(kind, copies, extra)
    asked = Outgoing("POST", path, asked.query, asked.headers, asked.body)
    secret = "S3CRETofTHEprovider"
    try:
        sent = inject(spec, asked, APP, Secret(secret))
    except BadBody:
        return  # refused: nothing leaves
    everything = [
        sent.path,
        sent.query,
        *(text for pair in sent.headers for text in pair),
        sent.body.decode("utf-8", "replace"),
    ]
    for name, value in sent.headers:
        if name.lower() == "authorization" and value.startswith("Basic "):
            everything.append(base64.b64decode(value[6:]).decode())
    once = [unquote(text) for text in everything]
    readable = "\n".join([*everything, *once, *map(unquote, once)])
    if kind in ("json", "escaped"):
        readable += json.dumps(json.loads(sent.body))
    if kind == "urlencoded":
        readable += repr(parse_qsl(sent.body.decode(), keep_blank_values=True))
    assert APP not in readable
    assert sum(text.count(secret) for text in everything) == 1
    if kind in ("json", "escaped") and extra and not {"key", "auth"} & extra.keys():
        left = json.loads(sent.body)
        assert {name: left[name] for name in extra.keys() & left.keys()}.items() <= left.items()


@given(
    st.dictionaries(st.text(max_size=4), st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["key", '"key', "a\\"]), inner, max_size=3),
        max_leaves=10,
    ), max_size=4),
    st.booleans(),
    st.sampled_from([None, 1, "\t"]),
)  # fmt: skip
def test_every_other_value_of_a_json_body_arrives_as_it_was_sent(
    value: dict[str, Any], ascii_only: bool, indent: int | str | None
) -> None:
    value = {**value, "key": APP}
    body = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    sent = inject(MODELSLAB, post(body), APP, SECRET)
    assert json.loads(sent.body) == {**value, "key": REAL}
    without = inject(OPENAI, post(body), APP, SECRET)
    del value["key"]
    assert json.loads(without.body) == value
