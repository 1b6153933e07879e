"""The sandbox's one page: what each key does, which were seen, and buttons that break them."""

import time
from html import escape
from urllib.parse import quote

from keys.sandbox.behaviour import MEANING, PREFIX, behaviour_of
from keys.sandbox.messages import Answer
from keys.sandbox.state import State

_HEAD = """<!DOCTYPE html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sandbox provider</title><link rel="icon" href="data:,"><style>
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,sans-serif;max-width:58rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}caption{text-align:left;font-weight:600;padding:1rem 0}
th,td{text-align:left;padding:.4rem .75rem .4rem 0;border-top:1px solid #8884}
td:last-child{text-align:right}code{white-space:nowrap}
.dead{color:light-dark(#b42318,#ff8a80)}.scroll{overflow-x:auto}
button{font:inherit;padding:.1rem .8rem}</style>
<h1>Sandbox provider</h1>
<p>A local stand-in for ModelsLab, OpenAI and Anthropic. The key decides the answer; an ending
such as <code>-shop</code> makes an independent key that behaves alike. Kill a key to see how a
broken one is noticed, revive it to see it come back.</p>
"""


def page(state: State) -> Answer:
    rows = [_key_row(state, key) for key in _keys(state)]
    meanings = [
        f"<tr><th scope=row><code>{PREFIX}{act}</code><td>{escape(text)}"
        for act, text in MEANING.items()
    ]
    body = (
        _HEAD
        + _table("Keys seen or killed", ("Key", "State", "Requests", "Last seen", ""), rows)
        + _table("What each key does", ("Key", "Answer"), meanings)
        + f"<p>Requests received since the start: {state.count}.</p></html>"
    )
    return Answer(200, body.encode(), b"text/html; charset=utf-8")


def _keys(state: State) -> list[str]:
    return sorted({f"{PREFIX}live", *filter(None, state.seen), *state.killed})


def _table(caption: str, columns: tuple[str, ...], rows: list[str]) -> str:
    head = "".join(f"<th scope=col>{name}" for name in columns)
    return (
        f"<div class=scroll><table><caption>{caption}</caption>"
        f"<thead><tr>{head}<tbody>{''.join(rows)}</table></div>"
    )


def _key_row(state: State, key: str) -> str:
    requests, last = state.seen.get(key, (0, 0))
    ago = f"{max(0, time.time() - last):.0f} s ago" if last else "–"
    if behaviour_of(key) is None:
        word, button = "<span class=dead>unknown here</span>", ""
    elif key in state.killed:
        word, button = "<span class=dead>killed</span>", _button(key, "revive")
    else:
        word, button = "answers", _button(key, "kill")
    return (
        f"<tr><th scope=row><code>{escape(key)}</code><td>{word}<td>{requests:.0f}"
        f"<td>{ago}<td>{button}"
    )


def _button(key: str, verb: str) -> str:
    return (
        f'<form method=post action="/_sandbox/keys/{quote(key, safe="")}/{verb}">'
        f'<button aria-label="{verb} {escape(key)}">{verb.title()}</button></form>'
    )
