"""Decides the answer to a request from its shape and the key it came with."""

from collections.abc import Callable

from keys.sandbox import anthropic, modelslab, openai
from keys.sandbox.behaviour import Act, Behaviour, behaviour_of
from keys.sandbox.messages import Answer, Incoming, Refusal, answer_json
from keys.sandbox.state import State

Refuse = Callable[[Refusal], Answer]

_REFUSALS = {
    Act.CREDITS: Refusal.CREDITS,
    Act.PLAN: Refusal.PLAN,
    Act.LIMITED: Refusal.LIMITED,
    Act.SERVER_ERROR: Refusal.SERVER_ERROR,
    Act.UNAVAILABLE: Refusal.UNAVAILABLE,
}
_INVALID = modelslab.WORDS[Refusal.INVALID_KEY][1]
_NO_CREDITS = modelslab.WORDS[Refusal.CREDITS][1]
_HTML = b"<!DOCTYPE html><title>Welcome</title><h1>It works!</h1>"
# Oddities that are the same in every shape.
_ODD = {
    Act.OK_INVALID: answer_json(200, {"status": "error", "message": _INVALID}),
    Act.OK_CREDITS: answer_json(200, {"status": "error", "message": _NO_CREDITS}),
    Act.MESSEGE: answer_json(200, {"status": "error", "messege": _INVALID}),
    Act.OBJECT: answer_json(
        400, {"status": "error", "message": {"prompt": ["The prompt field is required."]}}
    ),
    Act.HTML: Answer(200, _HTML, b"text/html; charset=utf-8"),
    Act.TRUNCATED: Answer(200, b'{"status": "success", "output": ["http'),
}


def _is_anthropic(incoming: Incoming) -> bool:
    return (
        incoming.path.startswith("/v1/messages")
        or "anthropic-version" in incoming.headers
        or "x-api-key" in incoming.headers
    )


def respond(incoming: Incoming, state: State) -> tuple[Answer, Behaviour]:
    """The answer, and the behaviour that says how to deliver it."""
    if incoming.path.startswith("/api/"):
        return _decide(
            incoming,
            state,
            modelslab.refuse,
            lambda behaviour: modelslab.succeed(incoming, behaviour, state),
        )
    if _is_anthropic(incoming):
        return _decide(incoming, state, anthropic.refuse, lambda _: anthropic.succeed(incoming))
    return _decide(incoming, state, openai.refuse, lambda _: openai.succeed(incoming))


def _decide(
    incoming: Incoming, state: State, refuse: Refuse, succeed: Callable[[Behaviour], Answer]
) -> tuple[Answer, Behaviour]:
    nothing = Behaviour(Act.LIVE)
    key = incoming.key
    if not key:
        return refuse(Refusal.MISSING_KEY), nothing
    behaviour = behaviour_of(key)
    if behaviour is None or key in state.killed:
        return refuse(Refusal.INVALID_KEY), nothing
    if behaviour.act in _REFUSALS:
        return refuse(_REFUSALS[behaviour.act]), behaviour
    odd = _ODD.get(behaviour.act)
    return odd or succeed(behaviour), behaviour
