"""The wrapper's way out: puts the key in, sends, records, and gives a response without the key.

It sits at the adapter, below everything of `requests` that could keep or show a request.
"""

import os
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

import requests
from django.conf import settings
from requests import cookies
from requests.adapters import DEFAULT_POOLSIZE
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers
from urllib3 import HTTPConnectionPool
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from keys.outbound import Blocked, PinnedAdapter, kept, proxy_for
from keys.providers.injection import Outgoing
from usage.client import answering, faults
from usage.client.calling import OPAQUE, Call, Keyed
from usage.events import Outcome
from usage.gateway import errors
from usage.gateway.core import Judgement

keep_cookies: Any = cookies.extract_cookies_to_jar  # its stubs name no types


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
                return answering.without_key(response, request, call)
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
        call.recording.attempts += 1
        try:
            response = self._over_kept(call, request, outgoing, **options)
            if response is None:
                sent = _with_key(request, outgoing, call.spec.base_url)
                response = super().send(sent, *args, **options)
        except (requests.RequestException, Blocked, OSError) as error:
            found = faults.without_answer(error)
            if faults.not_connected(error) and call.goes_on(found, 0):
                return None
            call.end(found)
            raise faults.masked(error, request, call.secrets) from None
        except BaseException:
            call.end(Judgement(Outcome.ABORTED))
            raise
        if not 200 <= response.status_code < 600:
            response.close()
            refused = errors.no_answer()
            call.end(faults.refused_here(refused))
            raise requests.ConnectionError(refused.message, request=request)
        return None if answering.refused(call, response) else response

    def _over_kept(
        self,
        call: Call,
        request: requests.PreparedRequest,
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
        host, prefix = _host_and_path(base)
        target = prefix + outgoing.path + ("?" + outgoing.query if outgoing.query else "")
        method = outgoing.method
        body = outgoing.body
        length = len(body) if body or method not in ("GET", "HEAD") else None
        head = kept.head_of(method, target, host, outgoing.headers, length)
        if head is None:
            return None
        patience = timeout[1] if isinstance(timeout, tuple) else timeout
        try:
            raw = kept.ask(self._pool(base, cert), method, target, head, body, patience)
        except ReadTimeoutError as error:
            raise requests.ReadTimeout(error) from None
        except ProtocolError as error:
            raise requests.ConnectionError(error) from None
        return None if raw is None else self.build_response(request, raw)

    def _pool(self, base: str, cert: Any) -> HTTPConnectionPool:
        name = (base, settings.OUTBOUND_CA, cert)
        kept_pool = self._pools.get(name)
        if kept_pool is not None and kept_pool.pool is not None:  # closed: others are used more
            return kept_pool
        asked = requests.PreparedRequest()
        asked.url = base
        verify = settings.OUTBOUND_CA or True
        pool = cast(
            "HTTPConnectionPool", self.get_connection_with_tls_context(asked, verify, {}, cert)
        )
        self._pools[name] = pool
        return pool

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """As of requests."""
        response = requests.Response()
        response.status_code, response.reason, response.raw = resp.status, resp.reason, resp
        for name, value in resp.headers.itermerged():
            response.headers[name] = value
        response.encoding = get_encoding_from_headers(response.headers)
        response.url, response.request = req.url or "", req
        response.connection = self
        if "Set-Cookie" in resp.headers:
            keep_cookies(response.cookies, req, resp)
        return response


@lru_cache(maxsize=64)
def _host_and_path(base_url: str) -> tuple[str, str]:
    host, slash, path = base_url.rstrip("/").partition("://")[2].partition("/")
    return host, slash + path


def _with_key(
    request: requests.PreparedRequest, outgoing: Outgoing, base_url: str
) -> requests.PreparedRequest:
    sent = requests.PreparedRequest()  # not request.copy(): that copies what is replaced here
    sent.method, sent.body, sent.hooks = request.method, request.body, request.hooks
    query = "?" + outgoing.query if outgoing.query else ""
    sent.url = base_url.rstrip("/") + outgoing.path + query
    sent.headers = CaseInsensitiveDict(outgoing.headers)
    # Who writes a body says where it ends, whatever the caller's headers say: the next call on
    # the connection would be taken for a part of it.
    if outgoing.body == OPAQUE:
        if "Transfer-Encoding" in sent.headers:
            sent.headers.pop("Content-Length", None)
    else:
        for name in kept.FRAMING:
            sent.headers.pop(name, None)
        sent.body = outgoing.body or None
        if outgoing.body or sent.method not in ("GET", "HEAD"):
            sent.headers["Content-Length"] = str(len(outgoing.body))
    return sent
