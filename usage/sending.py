"""The wrapper's way out: puts the key in, sends, records, and gives a response without the key.

It sits at the adapter, below everything of `requests` that could keep or show a request.
"""

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import requests
from django.db import Error
from requests.adapters import DEFAULT_POOLSIZE
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import DecodeError

from keys.outbound import Blocked, PinnedAdapter
from keys.providers.base import ProviderSpec
from keys.providers.injection import Outgoing
from keys.providers.jobs import Job
from usage import spool
from usage.events import Outcome, Source
from usage.gateway import core, desk, directory, errors, headers, jobs, paths
from usage.gateway.answer import Sample
from usage.gateway.core import Judgement, Route
from usage.gateway.errors import Denial, denial
from usage.gateway.recording import Recording
from usage.recorded import RecordedBody
from usage.redaction import clip, mask

_OPAQUE = b"\0"  # stands in for a body that is streamed past


class Refusal(Exception):
    """A call that was not sent; `usage.client` turns it into its own exceptions."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Keyed:
    """Whose call a request is, and its path below the provider's base URL."""

    spec: ProviderSpec
    application: str
    caller: str
    target: str


@dataclass(frozen=True, slots=True)
class _Call:
    spec: ProviderSpec
    asked: Outgoing
    route: Route
    recording: Recording

    @property
    def secret(self) -> str:
        return self.route.secret.reveal()


class RecordingAdapter(PinnedAdapter):
    """Sends one request; `keyed` says whose it is."""

    def __init__(self, keyed: Callable[[str], Keyed]) -> None:
        super().__init__(max_retries=0)
        self._keyed = keyed
        self._pid = os.getpid()

    def send(
        self, request: requests.PreparedRequest, *args: Any, **options: Any
    ) -> requests.Response:
        """Raises Refusal, and what `requests` raises, masked."""
        if self._pid != os.getpid():
            # The parent's connections are open here too; two must not speak on one.
            self.init_poolmanager(DEFAULT_POOLSIZE, DEFAULT_POOLSIZE)
            self._pid = os.getpid()
        keyed = self._keyed(request.url or "")
        call, outgoing = _begin(keyed, request)
        sent = _with_key(request, outgoing, keyed.spec.base_url)
        call.recording.attempts = 1
        try:
            response = super().send(sent, *args, **options)
        except (requests.RequestException, Blocked, OSError) as error:
            _end_without_answer(call, error)
            raise _masked(error, request, call.secret) from None
        except BaseException:
            call.recording.end(Judgement(Outcome.ABORTED))
            raise
        call.recording.first_byte_ms = call.recording.elapsed_ms
        call.recording.status = response.status_code
        return _without_key(response, request, call)


def _begin(keyed: Keyed, request: requests.PreparedRequest) -> tuple[_Call, Outgoing]:
    path, _, query = keyed.target.partition("?")
    path = path or "/"
    body = request.body if isinstance(request.body, bytes) else None
    if isinstance(request.body, str):
        body = request.body.encode()
    recording = Recording(
        source=Source.WRAPPER,
        method=(request.method or "")[:10],
        provider=keyed.spec.slug,
        endpoint=clip(keyed.spec.endpoint_of(path)),
        application=keyed.application,
        caller=clip(keyed.caller, limit=100),
        bytes_in=int(request.headers.get("Content-Length") or 0),
    )
    outgoing = Outgoing(
        request.method or "GET",
        path,
        query,
        tuple((str(name), str(value)) for name, value in request.headers.items()),
        _OPAQUE if request.body is not None and body is None else body or b"",
        str(request.headers.get("Content-Type", "")),
    )
    try:
        paths.check(path)
        core.admit_path(keyed.spec, path)
        route = _route(keyed, outgoing)
        recording.goes_with(route, desk.mine().rota)
        recording.endpoint = mask(recording.endpoint, (route.secret.reveal(),))
        armed = core.armed(keyed.spec, outgoing, "", route)
        recording.begin()
    except Denial as refused:
        recording.end(Judgement(Outcome.DENIED, refused.recorded, refused.message))
        raise Refusal(refused.code, refused.message) from None
    except spool.SpoolError as error:
        raise Refusal("unavailable", "The call cannot be recorded") from error
    return _Call(keyed.spec, replace(outgoing, body=b""), route, recording), armed


def _route(keyed: Keyed, outgoing: Outgoing) -> Route:
    here = desk.mine()
    name = (keyed.application, keyed.spec.slug)
    try:
        pool = here.directory.find(here.directory.pools, name)
        preferred = ""
        asked = keyed.spec.jobs_asked(outgoing.path, outgoing.body) if len(pool) > 1 else []
        if asked and not (preferred := here.rota.maker(*name, asked)):
            shared = here.directory.run(lambda: jobs.shared(*name, asked))
            with contextlib.suppress(directory.Unavailable, TimeoutError):
                preferred = shared.result(directory.WAIT)
        return core.choose(here.rota, keyed.spec, pool, time.time(), preferred)
    except (directory.Unavailable, TimeoutError, Error) as error:
        raise denial("unavailable") from error


def _with_key(
    request: requests.PreparedRequest, outgoing: Outgoing, base_url: str
) -> requests.PreparedRequest:
    sent = request.copy()
    query = "?" + outgoing.query if outgoing.query else ""
    sent.url = base_url.rstrip("/") + outgoing.path + query
    sent.headers = CaseInsensitiveDict(outgoing.headers)
    if outgoing.body != _OPAQUE:
        sent.body = outgoing.body or None
        if outgoing.body or sent.method not in ("GET", "HEAD"):
            sent.headers["Content-Length"] = str(len(outgoing.body))
    return sent


def _without_key(
    response: requests.Response, request: requests.PreparedRequest, call: _Call
) -> requests.Response:
    """The response as if the request had gone out as the caller wrote it."""
    secret = call.secret
    response.request = request
    response.url = request.url or ""
    raw = response.raw
    for echoed in (response.headers, raw.headers):
        for name, value in list(echoed.items()):
            if (masked := mask(value, (secret,))) != value:
                echoed[name] = masked
    for cookie in response.cookies:
        cookie.value = mask(cookie.value or "", (secret,))
    if hasattr(raw, "_request_url"):
        raw._request_url = request.path_url
    packed = bool(response.headers.get("Content-Encoding"))
    found = tuple((n.encode(), v.encode("latin-1", "replace")) for n, v in response.headers.items())
    content_type = response.headers.get("Content-Type", "")

    def ended(sample: Sample, whole: bool, error: Exception | None) -> None:
        status = call.recording.status
        call.recording.bytes_out = sample.size
        if error is not None:
            _end_without_answer(call, error)
            return
        judged = core.ended(
            call.spec,
            status,
            content_type,
            sample,
            call.asked,
            (secret,),
            whole=whole,
            readable=whole or not packed,
        )
        body = sample.body if whole or not packed else b""
        here, now = desk.mine(), time.time()
        _learn_job(call, call.spec.job_of(body) if judged.outcome is Outcome.OK else None)
        after = headers.retry_after(found) or call.spec.retry_after_of(body)
        core.learn(here.rota, call.route, judged, after, now)
        call.recording.end(judged)

    response.raw = RecordedBody(raw, secret, ended)
    return response


def _learn_job(call: _Call, job: Job | None) -> None:
    here, name = desk.mine(), (call.recording.application, call.spec.slug)
    if job is not None and jobs.learn(here.rota, *name, call.route, job):
        told = here.directory.run(lambda: jobs.share(*name, job.id, call.route.key.id))
        with contextlib.suppress(directory.Unavailable, TimeoutError):
            told.result(directory.WAIT)


def _end_without_answer(call: _Call, error: Exception) -> None:
    if isinstance(error, DecodeError):
        refused = errors.unreadable()
        call.recording.end(
            Judgement(errors.outcome(refused, asked=True), refused.recorded, refused.message)
        )
        return
    timeout = isinstance(error, requests.Timeout | TimeoutError) or "timed out" in str(error)
    code = "upstream_timeout" if timeout else "upstream_unreachable"
    message = "No answer in time" if timeout else clip(type(error).__name__)
    call.recording.end(Judgement(Outcome.NETWORK_ERROR, code, message))


def _masked(
    error: Exception, request: requests.PreparedRequest, secret: str
) -> requests.RequestException:
    """The error anew: the old one's causes and attributes hold the request with the key."""
    text = mask(str(error), (secret,))
    if isinstance(error, requests.RequestException):
        return type(error)(text, request=request)
    return requests.ConnectionError(text, request=request)
