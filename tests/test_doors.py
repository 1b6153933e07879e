"""Holds the doors that stay few (DESIGN section 5): who may do what one door is for."""

import ast
import re
from pathlib import Path

import pytest

from tests.source import Rule, breaking, calls, imports, texts

LIFECYCLE = ("keys", "lifecycle")
VAULT = ("keys", "vault")
OUTBOUND = ("keys", "outbound")
SANDBOX = ("keys", "sandbox")

UNSEALS = {  # asks the vault for a plaintext
    "keys/doctor/examining.py": "whether it opens, and is the one that the trail names",
    "keys/lifecycle/app_keys.py": "copy",
    "keys/lifecycle/elsewhere.py": "the new secret, for the other applications that use it",
    "keys/lifecycle/provider_keys.py": "reveal",
    "keys/validation.py": "probe",
    "usage/alerts/addresses.py": "where a message goes, and its signature",
    "usage/gateway/choosing.py": "inject",
}
OPENS_A_SECRET = {  # takes the plaintext out of a keys.vault.Secret
    "keys/api/app_keys.py": "the answer to create, rotate and reveal",
    "keys/api/importing.py": "the .env file handed back",
    "keys/api/provider_keys.py": "the answer to reveal",
    "keys/views/app_keys.py": "the copy and the key shown once",
    "keys/views/compromise.py": "the new text shown once",
    "keys/views/connect.py": "the key shown once",
    "keys/views/importing.py": "the .env file handed back",
    "keys/views/provider_keys.py": "reveal",
    "keys/lifecycle/importing.py": "the .env file handed back",
    "keys/lifecycle/inputs.py": "what was pasted, before it is sealed",
    "keys/providers/injection.py": "inject",
    "keys/probing.py": "probe: the provider's words without it",
    "usage/gateway/exchange.py": "the record's words and the answer without it",
    "usage/alerts/addresses.py": "the host of a channel's address, to be shown",
    "usage/alerts/sending.py": "where a message goes, its signature, the answer without them",
    "usage/api/alerts.py": "a webhook's signing secret, given once",
    "usage/views/alert_acts.py": "a webhook's signing secret, shown once",
    "usage/client/calling.py": "the record's words and the response without it",
}
GOES_OUT = {  # beside keys/outbound: a name of the library, or its door's other half
    "config/probe.py": "the health check of this machine's own listener",
    "config/supervisor.py": "waits for its own listener",
    "keys/management/commands/sandbox.py": "asks the sandbox that runs here",
    "keys/sign_in/single_sign_on.py": "gives allauth a session over keys.outbound.PinnedAdapter",
    "usage/client/__init__.py": "subclasses requests.Session over usage.client.sending",
    "usage/client/sending.py": "subclasses keys.outbound.PinnedAdapter",
    "usage/client/calling.py": "the type of what is asked",
    "usage/client/preparing.py": "makes ready what usage.client sends",
    "usage/client/answering.py": "the type of its answer",
    "usage/client/faults.py": "the errors of a call without answer",
    "usage/client/recorded.py": "wraps the body of its answer",
    "usage/client/peeking.py": "the beginning of its answer",
    "usage/gateway/transport.py": "the errors that dialling raises",
    "usage/demo.py": "the errors that KeyedSession raises",
    "usage/management/commands/demo_fill.py": "the type of KeyedSession's answer",
    "keys/startup.py": "the socket that is listened on",
}
_DOTS = r"requests|aiohttp|urllib3|httpx|httpcore|http\.client|urllib\.request|ftplib|websockets"
HTTP = re.compile(rf"^({_DOTS}|smtplib(\.SMTP\b|\.SMTP_SSL|\.LMTP|$))")
DIALS = {"socket", "create_connection", "open_connection", "open_unix_connection", "urlopen"}
DIALS |= {"sock_connect", "create_datagram_endpoint"}
SENDS_MAIL = {  # through the server of EMAIL_URL
    "keys/sign_in/accounts.py": "links to choose a password",
    "keys/sign_in/invitations.py": "invitations",
    "usage/alerts/sending.py": "alerts",
}
MAKES_CALLS = {  # the one envelope
    "usage/demo.py": "made-up calls",
    "usage/gateway/recording.py": "gateway and wrapper",
    "usage/ingest/quarantine.py": "a line that is tried again",
    "usage/ingest/rows.py": "read from the spool",
}
MAKES_EVENTS = {
    "keys/audit/archives.py": "an archive's, to be digested anew: never saved",
    "keys/audit/carrying.py": "carried over, to be read: never saved",
    "keys/audit/writing.py": "the audit writer",
}
STATES = {"state", "stage"}
KEYS = {"ProviderKey", "ProviderKeyVersion", "AppKey", "AppKeyVersion"}
OTHER_STATES = {"usage/alerts/delivering.py": "a delivery's"}
_WRITES = {"update", "create", "get_or_create", "update_or_create", *KEYS}


def unseals(path: Path, tree: ast.Module) -> list[object]:
    if path.parts[:2] == VAULT:
        return []
    return [call.lineno for name, call in calls(tree) if name in ("unseal", "open_row")]


def opens_a_secret(path: Path, tree: ast.Module) -> list[object]:
    if path.parts[:2] == VAULT:
        return []
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("reveal", "_text")
    ]


def goes_out(path: Path, tree: ast.Module) -> list[object]:
    if path.parts[:2] == OUTBOUND:
        return []
    dialled = [name for name, _ in calls(tree) if name in DIALS]
    return [*filter(HTTP.match, imports(tree)), *dialled]


def sends_mail(_: Path, tree: ast.Module) -> list[object]:
    return [name for name in imports(tree) if name.startswith("django.core.mail")]


def makes_calls(_: Path, tree: ast.Module) -> list[object]:
    """`CallEvent(…)`, or one of its other ways in."""
    return [made for made in _made(tree, "CallEvent") if made not in ("_fields", "_replace")]


def makes_events(path: Path, tree: ast.Module) -> list[object]:
    read = re.compile(r"^objects\.(?!.*create)")
    return [made for made in _made(tree, "AuditEvent") if not read.match(made)]


def _made(tree: ast.Module, model: str) -> list[str]:
    """What is called of a class, by its dotted name: "" for the class itself."""
    called = [ast.unparse(call.func) for _, call in calls(tree)]
    ours = [name for name in called if re.match(rf"{model}\b", name)]
    return [name.removeprefix(model).lstrip(".") for name in ours]


def moves_a_state(path: Path, tree: ast.Module) -> list[object]:
    """A state or stage that is written: by name, in a dict of fields, or as an attribute."""
    if path.parts[:2] in (LIFECYCLE, SANDBOX) or str(path) in OTHER_STATES:
        return []
    found: list[object] = []
    for name, call in calls(tree):
        given = {word.arg for word in call.keywords}
        written = name == "setattr" or (name == "bulk_update" and STATES & texts(call))
        if written or (name in _WRITES and STATES & given):
            found.append(call.lineno)
    for node in ast.walk(tree):
        stored = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
        if stored and node.attr in STATES:  # type: ignore[attr-defined]
            found.append(node.lineno)  # type: ignore[attr-defined]
        if isinstance(node, ast.Dict) and any(STATES & texts(key) for key in node.keys if key):
            found.append(node.lineno)
    return found


@pytest.mark.parametrize(
    ("rule", "named"),
    [
        (unseals, UNSEALS),
        (opens_a_secret, OPENS_A_SECRET),
        (goes_out, GOES_OUT),
        (sends_mail, SENDS_MAIL),
        (makes_calls, MAKES_CALLS),
        (makes_events, MAKES_EVENTS),
        (moves_a_state, {}),
    ],
    ids=lambda part: getattr(part, "__name__", ""),
)
def test_who_uses_a_door_is_named(rule: Rule, named: dict[str, str]) -> None:
    found = breaking(rule)
    assert found.keys() == named.keys(), {
        path: found.get(path) for path in found.keys() ^ named.keys()
    }


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        (unseals, "vault.unseal(slot, row.sealed)"),
        (unseals, "unseal(slot, row.sealed)"),
        (opens_a_secret, "print(secret.reveal())"),
        (opens_a_secret, "secret._text"),
        (opens_a_secret, "open_it = secret.reveal"),
        (goes_out, "import requests"),
        (goes_out, "from http import client"),
        (goes_out, "from urllib import request"),
        (goes_out, "import smtplib"),
        (goes_out, "from smtplib import SMTP_SSL"),
        (goes_out, "import socket\nsocket.create_connection(place)"),
        (goes_out, "import socket\nsocket.socket().connect(place)"),
        (goes_out, "import asyncio\nasync def f(): await asyncio.open_connection(host, 443)"),
        (sends_mail, "from django.core.mail import send_mail"),
        (sends_mail, "from django.core import mail"),
        (makes_calls, "CallEvent(**told)"),
        (makes_calls, "CallEvent._make(values)"),
        (makes_calls, "CallEvent.from_dict(told)"),
        (makes_events, "AuditEvent(action=action)"),
        (makes_events, "AuditEvent.objects.create(action=action)"),
        (makes_events, "AuditEvent.objects.bulk_create(rows)"),
        (makes_events, "AuditEvent.objects.filter(pk=1).get_or_create()"),
        (makes_events, "AuditEvent._default_manager.create(action=action)"),
        (moves_a_state, "rows.update(state=KeyState.REVOKED)"),
        (moves_a_state, 'rows.update(**{"state": KeyState.REVOKED})'),
        (moves_a_state, 'rows.get_or_create(pk=1, defaults={"stage": Stage.CURRENT})'),
        (moves_a_state, "ProviderKey(state=KeyState.ACTIVE).save()"),
        (moves_a_state, "key.state = KeyState.ACTIVE"),
        (moves_a_state, "key.state, other = KeyState.ACTIVE, 1"),
        (moves_a_state, 'ProviderKey.objects.bulk_update(rows, ["state"])'),
        (moves_a_state, "setattr(key, name, value)"),
    ],
)
def test_what_goes_past_a_door_is_found(rule: Rule, code: str) -> None:
    assert rule(Path("usage/new.py"), ast.parse(code))
