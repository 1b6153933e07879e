"""The decisions of a call, the same for gateway and wrapper: synchronous, without I/O.

Who asks, may they, with which provider key, and what did the answer mean. Whoever calls
brings the facts (records, pool, limits' ruling) and carries the bytes.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from keys import vault
from keys.providers import injection
from keys.providers.base import Kind, ProviderSpec
from keys.providers.injection import BadBody, Found, Outgoing, Stripped, inject
from keys.states import KeyState
from keys.tokens import parse_app_key
from usage import classify, redaction
from usage.events import Outcome
from usage.gateway import errors, paths
from usage.gateway.answer import Sample
from usage.gateway.pools import Rota
from usage.gateway.records import AppKeyRecord, PoolKey, SealedVersion
from usage.limits import Ruling


@dataclass(frozen=True, slots=True)
class Route:
    """The provider key a call goes out with. Lives as long as the call."""

    key: PoolKey
    version: SealedVersion
    secret: vault.Secret
    alone: bool = False  # the pool has no other key


class Judgement(NamedTuple):
    """What an answer, or its absence, means for the record."""

    outcome: Outcome
    code: str = ""
    message: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    cost_nanos: int = 0


HUNG_UP = Judgement(Outcome.ABORTED, "", "The caller hung up before the end")


def found_outside(outgoing: Outgoing, spec: ProviderSpec) -> list[Found]:
    """Every credential in headers and query. Raises Denial (bad_request)."""
    try:
        return injection.found_outside(outgoing, spec)
    except BadBody as error:
        raise errors.denial("bad_request", str(error)) from error


def found_inside(outgoing: Outgoing, spec: ProviderSpec) -> list[Found]:
    """Every credential in the body. Raises Denial for a body that isn't what it says."""
    try:
        return injection.found_inside(outgoing, spec)
    except BadBody as error:
        raise errors.denial("bad_request", str(error)) from error


def read(outgoing: Outgoing) -> Outgoing:
    """The request with its body read. Raises Denial for a body that isn't what it says."""
    try:
        return injection.read(outgoing)
    except BadBody as error:
        raise errors.denial("bad_request", str(error)) from error


def app_key_text(found: Iterable[Found], known: str = "") -> str:
    """The one well-formed app key among the credentials, or `known` if that is one; or empty.

    Raises Denial when two different ones are sent: only one of them could be kept back.
    """
    for _, text in found:
        if text != known and parse_app_key(text) is not None:
            if known:
                raise errors.denial("bad_request", "Two different app keys")
            known = text
    return known


def authenticate(record: AppKeyRecord, now: float) -> None:
    """Raises Denial unless this version of the app key is in force.

    Revoked, expired and rotated away read like unknown to the caller; the record says which.
    """
    if record.state is KeyState.REVOKED:
        raise errors.denial("invalid_key", reason="key_revoked")
    expired = record.expires_at is not None and record.expires_at <= now
    if record.state is KeyState.EXPIRED or expired:
        raise errors.denial("invalid_key", reason="key_expired")
    if record.retired or (record.retires_at is not None and record.retires_at <= now):
        raise errors.denial("invalid_key", reason="key_rotated")
    if record.state is not KeyState.ACTIVE:
        raise errors.denial("key_disabled")


def admit(record: AppKeyRecord, spec: ProviderSpec, method: str, path: str, address: str) -> None:
    """Raises Denial unless the app key's policy and the provider's definition allow the call."""
    if record.providers is not None and spec.slug not in record.providers:
        raise errors.denial("provider_not_allowed")
    if record.networks is not None and not _inside(address, record):
        raise errors.denial("ip_not_allowed")
    if record.endpoints is not None and not paths.allowed(path, record.endpoints):
        raise errors.denial("endpoint_not_allowed")
    if record.methods is not None and method not in record.methods:
        text = f"This app key may not use {method}"
        raise errors.denial("endpoint_not_allowed", text, reason="method_not_allowed")
    admit_path(spec, method, path, record.dangerous_endpoints)


def admit_path(spec: ProviderSpec, method: str, path: str, opened: tuple[str, ...] = ()) -> None:
    """Raises Denial for an endpoint that the provider's definition calls dangerous, unless an
    owner opened it to the app key."""
    if spec.denied(method, path) and not paths.allowed(path, opened):
        text = "This endpoint is not open through Keydeck"
        raise errors.denial("endpoint_not_allowed", text, reason="endpoint_dangerous")


def _inside(address: str, record: AppKeyRecord) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(found in network for network in record.networks or ())


def obey(ruling: Ruling) -> None:
    """Raises Denial when the limits say no."""
    if not ruling.allowed:
        raise errors.limited(ruling)


def stripped(spec: ProviderSpec, outgoing: Outgoing, app_key: str) -> Stripped:
    """The request's head without the app key. Raises Denial (bad_request)."""
    try:
        return injection.strip(spec, outgoing, app_key)
    except BadBody as error:
        raise errors.denial("bad_request", str(error)) from error


def armed(
    spec: ProviderSpec,
    outgoing: Outgoing,
    app_key: str,
    route: Route,
    stripped: Stripped | None = None,
) -> Outgoing:
    """The request with the real key in its place and every copy of the app key gone.

    `stripped` saves looking at the head again. Raises Denial (bad_request).
    """
    try:
        return inject(spec, outgoing, app_key, route.secret, stripped)
    except BadBody as error:
        raise errors.denial("bad_request", str(error)) from error


def judge(
    spec: ProviderSpec,
    status: int,
    content_type: str,
    body: bytes,
    path: str,
    secrets: Iterable[str],
    *,
    complete: bool = True,
) -> Judgement:
    """What the provider's answer means; `body` is what was kept of it."""
    reading = spec.read(status, content_type, body, path=path, complete=complete)
    if reading.kind is Kind.OK:
        return Judgement(
            Outcome.OK, "", "", reading.tokens_in, reading.tokens_out, reading.cost_nanos
        )
    return Judgement(
        classify.outcome_of(reading.kind, status),
        redaction.clip(classify.code_of(reading.kind, status, reading.code), secrets, 60),
        redaction.clip(reading.message, secrets),
        reading.tokens_in,
        reading.tokens_out,
        reading.cost_nanos,
    )


def ended(
    spec: ProviderSpec,
    status: int,
    content_type: str,
    sample: Sample,
    asked: Outgoing,
    secrets: Iterable[str],
    *,
    whole: bool,
    readable: bool = True,
) -> Judgement:
    """How a call ended whose answer was read to its end, or (not `whole`) closed before it.

    Callers often close a stream that said it is finished, and what is no answer to read.
    """
    bare = asked.method == "HEAD" or status in (204, 304)
    if not (whole or bare or sample.finished or status >= 400):
        return HUNG_UP
    body = sample.body if readable else b""
    complete = whole and sample.complete
    return judge(spec, status, content_type, body, asked.path, secrets, complete=complete)


def learn(
    rota: Rota, route: Route, found: Judgement, retry_after: float | None, now: float
) -> None:
    """Lets the next call of this process profit from what this one met."""
    if found.outcome is Outcome.RATE_LIMITED:
        rota.limited(route.key.id, retry_after, now)
    elif found.outcome is Outcome.KEY_ERROR and found.code != "key_limited":  # one feature's
        rota.rest(route.key.id, now)
        if found.code == "key_invalid":
            rota.refused(route.key.id, route.version.number, now)
