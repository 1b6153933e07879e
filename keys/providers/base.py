"""What a provider is: where its key goes, how it is probed and how its answers are read.

A built-in provider is one module with one spec, and one line in `keys.providers.registry`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any, Literal, NamedTuple
from urllib.parse import unquote

from keys.providers import answers, endpoints, jobs


class Kind(StrEnum):
    """What one answer of a provider says."""

    OK = "ok"
    CALLER_ERROR = "caller_error"
    KEY_INVALID = "key_invalid"
    KEY_EXHAUSTED = "key_exhausted"
    KEY_LIMITED = "key_limited"
    RATE_LIMITED = "rate_limited"
    UPSTREAM_ERROR = "upstream_error"
    UNKNOWN = "unknown"


Place = Literal["header", "bearer", "basic", "query", "body"]


@dataclass(frozen=True, slots=True)
class Placement:
    """A place for a credential; `name` is a lower-case header, a query parameter or a member.

    `basic` is only ever found, never chosen.
    """

    place: Place
    name: str = ""


BEARER = Placement("bearer")
X_API_KEY = Placement("header", "x-api-key")


class Reading(NamedTuple):
    """An answer, understood. `code` is the provider's own, else the kind's name; `message` is
    the provider's words, not redacted yet, or ours where it had none that could be read."""

    kind: Kind
    code: str = ""
    message: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    cost_nanos: int = 0  # billionths of a US dollar, as the provider itself reports it


@dataclass(frozen=True, slots=True)
class Probe:
    """The free request that tells a live key from a dead one. A body is sent as JSON."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """The request that copied snippets show. The credential is not in `body`: it goes where
    `placement(path, frozenset())` says, in a body as the first member."""

    method: str
    path: str
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSpec:
    """One provider. The defaults read any JSON API that uses HTTP statuses as meant.

    `accepts` names every place where the provider looks for a credential: whatever a caller
    put there is replaced or taken out.
    """

    slug: str
    name: str
    base_url: str  # without a trailing slash
    bound_to: str = ""  # what a secret must have been entered for; empty where the operator says
    keys_url: str = ""  # where the provider's keys are managed
    env_var: str = ""  # the variable that the provider's own examples read
    # The variable that its own clients read the base URL from, and what they expect behind ours.
    base_url_var: tuple[str, str] = ("", "")
    key_shape: str = ""  # a pattern that its keys alone match
    probe: Probe | None = None
    example: Example = Example("GET", "/")
    extra_headers: tuple[tuple[str, str], ...] = ()  # added where the caller sent none
    accepts: frozenset[Placement] = frozenset({BEARER})
    prefix: str = ""  # what stands before the secret in a header of its own
    json_due: bool = True  # a page of HTML with status 200 is an error
    cost: answers.Cost | None = None  # None: its answers don't say what a call cost
    # What spends, deletes, lists or issues what belongs to the account, as `endpoints` reads it.
    dangerous: tuple[str, ...] = ()
    # Where a job is fetched by its id, as `endpoints` reads it: such a call goes to the key that
    # made the job, whatever that key's turn is. Empty where `job_of` never learns of one.
    fetches: tuple[str, ...] = ()

    def placement(self, path: str, found: frozenset[Placement]) -> Placement:
        """Where the real key goes; `found` is where the caller put the app key."""
        del path
        for candidate in sorted(self.accepts & found, key=lambda p: (p.place, p.name)):
            return candidate
        return min(self.accepts, key=lambda p: (p.place, p.name))

    def read(
        self,
        status: int,
        content_type: str,
        body: bytes,
        *,
        path: str = "",
        complete: bool = True,
    ) -> Reading:
        """What an answer to a call says.

        `body` may be empty (a stream that was not kept) or, with `complete` false, a prefix:
        then a body that doesn't parse is no error.
        """
        del path
        answer = answers.parse(content_type, body)
        kind = self.kind_of(status, answer)
        if kind is Kind.OK and answer.broken and self.json_due and (complete or answer.html):
            kind = Kind.UPSTREAM_ERROR
        data = answers.said(answer)
        if kind is Kind.OK and answer.events and answers.is_error(data):
            kind = Kind.UPSTREAM_ERROR  # broke off in the middle of a stream
        used = answers.usage(answer, self.cost)
        if kind is Kind.OK:
            return Reading(kind, "", "", *used)
        code = answers.code(data) or str(kind)
        message = answers.message(data)
        if not message and kind is Kind.UPSTREAM_ERROR and answer.broken:
            message = "A web page came instead of JSON" if answer.html else "What came is no JSON"
        return Reading(kind, code, message, *used)

    def kind_of(self, status: int, answer: answers.Answer) -> Kind:
        """The kind by status alone. A refusal that comes as a web page is not the provider's."""
        if 200 <= status < 300:
            return Kind.OK
        if status in (401, 402, 403) and answer.html:
            return Kind.UNKNOWN
        if status in _BY_STATUS:
            return _BY_STATUS[status]
        if 400 <= status < 500:
            return Kind.CALLER_ERROR
        return Kind.UPSTREAM_ERROR if status >= 500 else Kind.UNKNOWN

    def read_probe(self, status: int, content_type: str, body: bytes) -> Reading:
        """What the answer to the probe says. Only OK and the KEY_ kinds are determinate."""
        reading = self.read(status, content_type, body)
        proven = status == 200 and self.proves_live(content_type, body)
        if reading.kind is Kind.OK and not proven:
            return Reading(Kind.UNKNOWN, "unexpected_answer")
        return reading

    def proves_live(self, content_type: str, body: bytes) -> bool:
        """Whether a success of the probe is the answer that only a live key gets."""
        return isinstance(answers.parse(content_type, body).data, dict | list)

    def balance_of(self, content_type: str, body: bytes) -> answers.Balance | None:
        """The balance that a success of the probe tells; most providers' tells none."""
        del content_type, body
        return None

    def job_of(self, body: bytes) -> jobs.Job | None:
        """The asynchronous job that a good answer names: only the key that made it can fetch it."""
        return jobs.job_of(body)

    def jobs_asked(self, method: str, path: str, body: bytes) -> list[str]:
        """Ids of jobs that a request may be fetching: in its path, or named in its body.

        None for any other call, or an id that it needn't have would choose its key.
        """
        if not endpoints.named(self.fetches, method, path):
            return []
        named = [segment for segment in path.split("/") if _is_id(segment)]
        return [*named, job] if (job := jobs.job_in(body)) else named

    def retry_after_of(self, body: bytes) -> float | None:
        """Seconds to wait, where an answer names them in its body."""
        return jobs.retry_after_of(body)

    def endpoint_of(self, path: str) -> str:
        """`path` with ids replaced by `{id}`, for grouping; at most 200 characters."""
        return (_endpoint_kept if len(path) <= endpoints.SHORT else _endpoint)(path)

    def denied(self, method: str, path: str) -> bool:
        """Whether no app key may ever call `path` (it would harm the pooled account)."""
        return endpoints.named(self.dangerous, method, path)


_BY_STATUS = {
    401: Kind.KEY_INVALID,
    402: Kind.KEY_EXHAUSTED,
    403: Kind.KEY_LIMITED,
    429: Kind.RATE_LIMITED,
}

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_LONG_RUN = re.compile(r"[A-Za-z0-9]{16,}")


def _endpoint(path: str) -> str:
    segments = path.partition("?")[0].split("/")
    return "/".join("{id}" if _is_id(segment) else segment for segment in segments)[:200]


_endpoint_kept = lru_cache(maxsize=4096)(_endpoint)


def _is_id(segment: str) -> bool:
    if segment.isdigit():
        return True
    if len(segment) < 16:
        return False
    if "%" in segment:
        segment = unquote(segment)
    if _UUID.search(segment):
        return True
    run = _LONG_RUN.search(segment)
    return run is not None and sum(map(str.isdigit, run.group())) > 1
