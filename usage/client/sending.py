"""The wrapper's way out: puts the key in, sends, records, and gives a response without the key.

It sits at the adapter, below everything of `requests` that could keep or show a request.
"""

import contextlib
import os
import time
from collections.abc import Callable
from typing import Any, cast

import requests
from django.conf import settings
from requests.adapters import DEFAULT_POOLSIZE
from requests.exceptions import InvalidHeader
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPConnectionPool
from urllib3.exceptions import (
    DecodeError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)

from keys.outbound import Blocked, PinnedAdapter, kept, proxy_for
from keys.providers.injection import Outgoing
from keys.providers.jobs import Job
from usage.client.calling import OPAQUE, Call, Keyed
from usage.client.peeking import peek
from usage.client.recorded import RecordedBody
from usage.events import Outcome
from usage.gateway import core, desk, directory, errors, headers, jobs
from usage.gateway.answer import Sample
from usage.gateway.choosing import REFUSALS
from usage.gateway.core import Judgement, Route
from usage.gateway.errors import Denial
from usage.redaction import clip, mask


class RecordingAdapter(PinnedAdapter):
    """Sends one request; `keyed` says whose it is."""

    def __init__(self, keyed: Callable[[str], Keyed]) -> None:
        super().__init__(max_retries=0)
        self._keyed = keyed
        self._pid = os.getpid()
        self._pools: dict[object, HTTPConnectionPool] = {}

    def send(
        self, request: requests.PreparedRequest, *args: Any, **options: Any
    ) -> requests.Response:
        """Raises Refusal, and what `requests` raises, masked."""
        if self._pid != os.getpid():
            # The parent's connections are open here too; two must not speak on one.
            self.init_poolmanager(DEFAULT_POOLSIZE, DEFAULT_POOLSIZE)
            self._pools.clear()
            self._pid = os.getpid()
        keyed = self._keyed(request.url or "")
        call = Call(keyed, request)
        outgoing = call.begin()
        while True:
            response = self._attempt(call, request, outgoing, *args, **options)
            if response is not None:
                return _without_key(response, request, call)
            outgoing = call.armed_again()

    def _attempt(
        self,
        call: Call,
        request: requests.PreparedRequest,
        outgoing: Outgoing,
        *args: Any,
        **options: Any,
    ) -> requests.Response | None:
        """The answer; None where the call goes on with another key."""
        sent = _with_key(request, outgoing, call.spec.base_url)
        call.recording.attempts += 1
        try:
            response = self._over_kept(call, sent, outgoing, **options)
            if response is None:
                response = super().send(sent, *args, **options)
        except (requests.RequestException, Blocked, OSError) as error:
            found = _without_answer(error)
            if _not_connected(error) and call.goes_on(found, 0):
                return None
            call.end(found)
            raise _masked(error, request, call.secrets) from None
        except BaseException:
            call.end(Judgement(Outcome.ABORTED))
            raise
        if not 200 <= response.status_code < 600:
            response.close()
            refused = errors.no_answer()
            call.end(_refused_here(refused))
            raise requests.ConnectionError(refused.message, request=request)
        return None if _refused(call, response) else response

    def _over_kept(
        self,
        call: Call,
        sent: requests.PreparedRequest,
        outgoing: Outgoing,
        *,
        timeout: Any = None,
        cert: Any = None,
        **_: object,
    ) -> requests.Response | None:
        """The answer over a connection that is kept; None: this call must go the long way."""
        base = call.spec.base_url
        if outgoing.body == OPAQUE or not isinstance(timeout, tuple | int | float):
            return None
        if proxy_for(base):
            return None
        method = sent.method or "GET"
        target = (sent.url or "").partition("://")[2]
        host, slash, rest = target.partition("/")
        head = kept.head_of(method, slash + rest, host, tuple(sent.headers.items()))
        if head is None:
            return None
        pool = self._pool(base, sent, cert)
        patience = timeout[1] if isinstance(timeout, tuple) else timeout
        try:
            raw = kept.ask(pool, method, slash + rest, head, outgoing.body, patience)
        except ReadTimeoutError as error:
            raise requests.ReadTimeout(error, request=sent) from None
        except ProtocolError as error:
            raise requests.ConnectionError(error, request=sent) from None
        return None if raw is None else self.build_response(sent, raw)

    def _pool(self, base: str, sent: requests.PreparedRequest, cert: Any) -> HTTPConnectionPool:
        name = (base, settings.OUTBOUND_CA, cert)
        kept_pool = self._pools.get(name)
        if kept_pool is not None and kept_pool.pool is not None:  # closed: others are used more
            return kept_pool
        verify = settings.OUTBOUND_CA or True
        pool = cast(
            "HTTPConnectionPool", self.get_connection_with_tls_context(sent, verify, {}, cert)
        )
        self._pools[name] = pool
        return pool


def _refused(call: Call, response: requests.Response) -> bool:
    """Whether the provider only said no to this key, and the call goes on with another."""
    status = response.status_code
    media = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    json = media.endswith(("/json", "+json"))
    if not (json or status in REFUSALS) or not call.may_go_on(Judgement(Outcome.KEY_ERROR)):
        return False
    sample, response.raw = peek(response.raw, whole=status in REFUSALS)
    if sample is None:
        return False
    left, found = call.route, _judged(call, response, sample)
    if not call.goes_on(found, status):
        return False
    _learn(call, left, found, response, sample.body)
    response.close()
    return True


def _with_key(
    request: requests.PreparedRequest, outgoing: Outgoing, base_url: str
) -> requests.PreparedRequest:
    sent = requests.PreparedRequest()  # not request.copy(): that copies what is replaced here
    sent.method, sent.body, sent.hooks = request.method, request.body, request.hooks
    query = "?" + outgoing.query if outgoing.query else ""
    sent.url = base_url.rstrip("/") + outgoing.path + query
    sent.headers = CaseInsensitiveDict(outgoing.headers)
    if outgoing.body != OPAQUE:
        sent.body = outgoing.body or None
        if outgoing.body or sent.method not in ("GET", "HEAD"):
            sent.headers["Content-Length"] = str(len(outgoing.body))
    return sent


def _without_key(
    response: requests.Response, request: requests.PreparedRequest, call: Call
) -> requests.Response:
    """The response as if the request had gone out as the caller wrote it."""
    secrets = call.secrets
    response.request = request
    response.url = request.url or ""
    raw = response.raw
    _mask_head(response, secrets)
    if theirs := response.headers.get("X-Request-Id"):
        response.headers["X-Upstream-Request-Id"] = theirs
    response.headers["X-Request-Id"] = call.recording.id
    for cookie in response.cookies:
        cookie.value = mask(cookie.value or "", secrets)
    if hasattr(raw, "_request_url"):
        raw._request_url = request.path_url
    packed = bool(response.headers.get("Content-Encoding"))
    call.recording.first_byte_ms = call.recording.elapsed_ms
    call.recording.status = response.status_code

    def ended(sample: Sample, whole: bool, error: Exception | None) -> None:
        call.recording.bytes_out = sample.size
        if error is not None:
            call.end(_without_answer(error))
            return
        readable = whole or not packed
        found = _judged(call, response, sample, whole=whole, readable=readable)
        try:
            _learn(call, call.route, found, response, sample.body if readable else b"")
        finally:
            call.end(found)

    response.raw = RecordedBody(raw, secrets, ended)
    return response


def _mask_head(response: requests.Response, secrets: tuple[str, ...]) -> None:
    raw = response.raw
    shown = [response.reason or "", *response.headers, *response.headers.values()]
    text = "\n".join((*shown, *raw.headers, *raw.headers.values()))
    if mask(text, secrets) == text:
        return  # as nearly always
    response.reason = raw.reason = mask(response.reason or "", secrets)
    for echoed in (response.headers, raw.headers):
        for name, value in list(echoed.items()):
            if mask(name, secrets) != name:
                del echoed[name]
            elif (masked := mask(value, secrets)) != value:
                echoed[name] = masked


def _judged(
    call: Call,
    response: requests.Response,
    sample: Sample,
    *,
    whole: bool = True,
    readable: bool = True,
) -> Judgement:
    return core.ended(
        call.spec,
        response.status_code,
        response.headers.get("Content-Type", ""),
        sample,
        call.asked,
        call.secrets,
        whole=whole,
        readable=readable,
    )


def _learn(
    call: Call, route: Route, found: Judgement, response: requests.Response, body: bytes
) -> None:
    """What the next calls of this process, and of others, are to know of this answer."""
    if found.outcome is Outcome.OK:
        _learn_job(call, call.spec.job_of(body))
        return
    now = time.time()
    told = [(n.encode(), v.encode("latin-1", "replace")) for n, v in response.headers.items()]
    after = headers.retry_after(told, now) or call.spec.retry_after_of(body)
    core.learn(desk.mine().rota, route, found, after, now)


def _learn_job(call: Call, job: Job | None) -> None:
    here, name = desk.mine(), (call.recording.application, call.spec.slug)
    if job is not None and jobs.learn(here.rota, *name, call.route, job):
        told = here.directory.run(lambda: jobs.share(*name, job.id, call.route.key.id))
        with contextlib.suppress(directory.Unavailable, TimeoutError):
            told.result(directory.WAIT)


def _without_answer(error: Exception) -> Judgement:
    if isinstance(error, DecodeError):
        return _refused_here(errors.unreadable())
    if isinstance(error, requests.Timeout | TimeoutError) or "timed out" in str(error):
        return Judgement(Outcome.NETWORK_ERROR, "upstream_timeout", "No answer in time")
    unsent = isinstance(error, Blocked | requests.exceptions.SSLError) or _not_connected(error)
    code = "upstream_unreachable" if unsent else errors.BROKE_OFF
    return Judgement(Outcome.NETWORK_ERROR, code, clip(type(error).__name__))


def _not_connected(error: Exception) -> bool:
    """Whether nothing was sent: another try does no harm."""
    cause = error.args[0] if error.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)


def _refused_here(refused: Denial) -> Judgement:
    """For an answer that is none."""
    return Judgement(errors.outcome(refused, asked=True), refused.recorded, refused.message)


def _masked(
    error: Exception, request: requests.PreparedRequest, secrets: tuple[str, ...]
) -> requests.RequestException:
    """The error anew: the old one's causes and attributes hold the request with the key."""
    text = mask(str(error), secrets)
    # An answer that contradicts itself is no answer, whoever read it.
    if isinstance(error, requests.RequestException) and not isinstance(error, InvalidHeader):
        return type(error)(text, request=request)
    return requests.ConnectionError(text, request=request)
