"""The answer to a wrapper's call: without the key, judged when it ended, and learnt from."""

import contextlib
import time

import requests

from keys.providers.jobs import Job
from usage.client import faults
from usage.client.calling import Call
from usage.client.peeking import peek
from usage.client.recorded import RecordedBody
from usage.events import Outcome
from usage.gateway import core, desk, directory, headers, jobs
from usage.gateway.answer import Sample
from usage.gateway.choosing import REFUSALS
from usage.gateway.core import Judgement, Route
from usage.redaction import mask


def refused(call: Call, response: requests.Response) -> bool:
    """Whether the provider only said no to this key, and the call goes on with another."""
    if not call.may_go_on(Judgement(Outcome.KEY_ERROR)):
        return False
    status = response.status_code
    media = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    json = media.endswith(("/json", "+json"))
    if not (json or status in REFUSALS):
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


def without_key(
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
    if hasattr(raw, "_request_url"):
        raw._request_url = request.path_url
    packed = bool(response.headers.get("Content-Encoding"))
    call.recording.first_byte_ms = call.recording.elapsed_ms
    call.recording.status = response.status_code

    def ended(sample: Sample, whole: bool, error: Exception | None) -> None:
        call.recording.bytes_out = sample.size
        if error is not None:
            call.end(faults.without_answer(error))
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
    shown, raw = response.headers, response.raw
    values = (value for _, value in shown.lower_items())
    text = "\n".join((response.reason or "", *shown, *values))
    if mask(text, secrets) == text:
        return  # as nearly always
    response.reason = raw.reason = mask(response.reason or "", secrets)
    for echoed in (shown, raw.headers):
        for name, value in list(echoed.items()):
            if mask(name, secrets) != name:
                del echoed[name]
            elif (masked := mask(value, secrets)) != value:
                echoed[name] = masked
    for cookie in response.cookies:
        cookie.value = mask(cookie.value or "", secrets)


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
