"""Calls through the gateway, with the app key in every place that a client may think of."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.e2e.canary.keys import Keyed
from tests.e2e.canary.stage import BODY_LIMIT, Said, Stage
from tests.live import ask

TEXT2IMG = "api/v6/images/text2img"
PROMPT = {"prompt": "a lighthouse", "model_id": "flux"}
CHAT = {"model": "sandbox", "messages": [{"role": "user", "content": "hello"}]}
# Where each built-in provider is asked for something.
PATHS: dict[str, tuple[str, dict[str, Any]]] = {
    "modelslab": (TEXT2IMG, PROMPT),
    "sandbox": (TEXT2IMG, PROMPT),
    "openai": ("v1/chat/completions", CHAT),
    "anthropic": ("v1/messages", {**CHAT, "max_tokens": 10}),
}


def _headers(key: str) -> dict[str, dict[str, str]]:
    coded = base64.b64encode(f"user:{key}".encode()).decode()
    reverse = base64.b64encode(f"{key}:".encode()).decode()
    return {
        "bearer": {"Authorization": f"Bearer {key}"},
        "basic, password": {"Authorization": f"Basic {coded}"},
        "basic, user": {"Authorization": f"Basic {reverse}"},
        "bare authorization": {"Authorization": key},
        "x-api-key": {"x-api-key": key},
        "key": {"key": key},
        "x-goog-api-key": {"x-goog-api-key": key},
    }


def in_every_place(stage: Stage, keyed: Keyed, key: str, whose: str, prefix: str = "") -> None:
    """The key where clients put it, and where they put it by mistake."""
    target = f"{keyed.provider}/{prefix}{PATHS.get(keyed.provider, ('anything', PROMPT))[0]}"
    body = PATHS.get(keyed.provider, ("", PROMPT))[1]

    def call(label: str, at: str = target, **options: Any) -> None:
        stage.gateway(f"{whose} {label}", options.pop("method", "POST"), at, **options)

    for label, headers in _headers(key).items():
        call(label, json=body, headers=headers)
    bearer = {"Authorization": f"Bearer {key}"}
    call("body", json={**body, "key": key})
    call("query", f"{target}?key={key}&page=1", json=body)
    call("query of a GET", f"{target}?key={key}", method="GET")
    call("form", data={**PROMPT, "key": key})
    call("multipart", data=PROMPT | {"key": key}, files={"image": b"not a picture"})
    call("twice", json={**body, "key": key}, headers=bearer)
    call("prompt", json={**body, "prompt": f"draw {key}"}, headers=bearer)
    call("nested", json={**body, "meta": {"auth": [key]}}, headers=bearer)
    call("user agent", json=body, headers={**bearer, "User-Agent": f"app/1.0 ({key})"})
    call("referer", json=body, headers={**bearer, "Referer": f"https://x.test/?key={key}"})
    call("own header", json=body, headers={**bearer, "X-Debug": key, f"X-{key}": "1"})
    call("cookie", json=body, headers={**bearer, "Cookie": f"auth={key}"})
    call("path", f"{target}/{key}", json=body, headers=bearer)
    call("path, with words", f"{target}/call-{key}-now", json=body, headers=bearer)
    call("other parameter", f"{target}?session={key}", json=body, headers=bearer)
    call("two keys", json={"key": key, "key2": key}, headers=bearer)
    call("odd method", method=f"X{key[-30:]}", json=body, headers=bearer)
    typed = {"Content-Type": "application/json"}
    call("malformed", data=f'{{"key": "{key}", "prompt": ', headers=typed)
    call("malformed beside", data=f'{{"key": "{key}", ', headers=typed | bearer)
    call("double member", data=f'{{"key": "{key}", "key": "{key}"}}', headers=typed)
    call(
        "plain text", data=json.dumps({**body, "key": key}), headers={"Content-Type": "text/plain"}
    )
    call("wrong type", data=key, headers={"Content-Type": "image/png"} | bearer)
    call(
        "huge", data=b'{"key": "%b", "x": "%b"}' % (key.encode(), b"x" * BODY_LIMIT), headers=typed
    )
    call("no such provider", f"nobody/{key}?key={key}", json={"key": key})
    call("ambiguous path", f"{target}/%2e%2e/{key}", json={"key": key})
    _encoded(stage, target, key, whose)


def _encoded(stage: Stage, target: str, key: str, whose: str) -> None:
    """Spellings that `requests` would undo before it sends them."""
    coded = "".join(f"%{ord(char):02x}" for char in key)
    bearer = {"Authorization": f"Bearer {key}"}
    for label, at in (("path", f"{target}/{coded}"), ("query", f"{target}?key={coded}&x={coded}")):
        reply = ask("POST", f"{stage.keydeck.url}/gateway/{at}", PROMPT, headers=bearer)
        told = f"{reply.headers}".encode() + reply.body
        stage.said.append(Said(f"gateway {whose} {label}, encoded -> {reply.status}", told))


def all_calls(stage: Stage, keyed: dict[str, Keyed]) -> None:
    """Right and wrong keys everywhere, and every behaviour of the providers."""
    live, cage = keyed["live"], stage.cage
    strangers = {
        "unknown key": cage.plant("unknown key", "kd_live_AAAAAAAAAAAA_"),
        "mistyped key": f"{live.text[:-1]}!",
        "provider key": cage.provider_key("provider key sent as an app key"),
        "revoked key": stage.text_of("app key revoked"),
        "retired key": stage.text_of("app key rotated in"),
    }
    with ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(in_every_place, stage, live, live.text, "right key")]
        for whose, key in strangers.items():
            jobs.append(pool.submit(in_every_place, stage, live, key, whose))
        for place in ("header", "bearer", "query", "body"):
            one = keyed[f"echo-{place}"]
            for prefix in ("", "refuse/"):
                jobs.append(
                    pool.submit(in_every_place, stage, one, one.text, f"{place} {prefix}", prefix)
                )
        jobs += [pool.submit(_behaviour, stage, one) for one in keyed.values()]
        for job in jobs:
            job.result()
    both = {"Authorization": f"Bearer {live.text}", "x-api-key": strangers["provider key"]}
    target = f"{keyed['slow-2'].provider}/{PATHS[keyed['slow-2'].provider][0]}"
    waiting = {"Authorization": f"Bearer {keyed['slow-2'].text}"}
    stage.gateway("hung up", "POST", target, json=CHAT | PROMPT, headers=waiting, timeout=0.3)
    stage.gateway("with a rival key", "POST", f"{live.provider}/{TEXT2IMG}", headers=both)


def _behaviour(stage: Stage, keyed: Keyed) -> None:
    path, body = PATHS.get(keyed.provider, ("anything", PROMPT))
    bearer = {"Authorization": f"Bearer {keyed.text}"}
    for _ in range(2):
        stage.gateway(
            f"as {keyed.slug}", "POST", f"{keyed.provider}/{path}", json=body, headers=bearer
        )
    streamed = {**CHAT, "max_tokens": 10, "stream": True}
    stage.gateway(
        f"stream as {keyed.slug}",
        "POST",
        f"{keyed.provider}/{path if 'v6' not in path else 'api/v7/llm/chat/completions'}",
        json=streamed,
        headers=bearer,
    )
