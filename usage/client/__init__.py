"""KeyedSession: calls a provider from Keydeck's own Python code, recorded like any other call.

    session = KeyedSession(application="shop", provider="modelslab", caller="nightly-batch")
    session.post("/api/v6/images/text2img", json={"prompt": "a lighthouse"})

    requests.RequestException
    └── KeydeckError              Keydeck refused or could not make the call; nothing was sent
        ├── UnknownApplication    no application of that name
        ├── UnknownProvider       no provider of that name
        ├── NotTheProvider        an absolute URL that isn't the provider's
        ├── Refused               the provider's definition denies this, or the body is malformed
        ├── NoUsableKey           the application has no working key of this provider
        ├── RateLimited           its keys are told to wait or busy: see `.retry_after`
        ├── Sealed                the vault is sealed
        └── Unavailable           the database or the spool can't be reached

What `requests` itself raises (ConnectionError, Timeout, …) passes through with secrets masked.
The provider's errors are responses, as ever: see `Response.raise_for_status`. Each response has the
call's X-Request-Id (the provider's own is X-Upstream-Request-Id). No redirect is
followed, and neither proxies nor .netrc are taken from the environment.
"""

import time
from datetime import timedelta
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from django.conf import settings
from django.db import Error
from requests import hooks
from requests.models import REDIRECT_STATI

from keys.providers.base import ProviderSpec
from usage import ingest
from usage.client import preparing
from usage.client.calling import Keyed, Refusal
from usage.client.sending import RecordingAdapter, keep_cookies
from usage.gateway import desk, directory

_hooked: Any = hooks.dispatch_hook  # its stubs name no types


class KeydeckError(requests.RequestException):
    """Keydeck refused or could not make the call; nothing was sent.

    `request_id` leads to the call's page, where it is explained; empty where none was recorded.
    """

    request_id = ""


class UnknownApplication(KeydeckError):
    """No application of that name."""


class UnknownProvider(KeydeckError):
    """No provider of that name."""


class NotTheProvider(KeydeckError):
    """An absolute URL that isn't the provider's."""


class Refused(KeydeckError):
    """The provider's definition denies this endpoint, or the body is malformed."""


class NoUsableKey(KeydeckError):
    """The application has no working key of this provider."""


class RateLimited(KeydeckError):
    """The provider told the application's keys to wait, or they have all the calls under way that
    they may have at once. Worth another try after `retry_after` seconds."""

    retry_after = 0.0


class Sealed(KeydeckError):
    """The vault is sealed."""


class Unavailable(KeydeckError):
    """The database or the spool can't be reached."""


_ERRORS: dict[str, type[KeydeckError]] = {
    "unknown_provider": UnknownProvider,
    "no_usable_key": NoUsableKey,
    "rate_limited": RateLimited,
    "concurrency_limited": RateLimited,
    "sealed": Sealed,
    "unavailable": Unavailable,
}


class KeyedSession(requests.Session):
    """A requests.Session whose calls carry an application's provider key and are recorded.

    `application` and `provider` are slugs; `caller` is a label shown beside each call. May be
    shared by threads and used after a fork.
    """

    def __init__(self, application: str, provider: str, caller: str = "") -> None:
        super().__init__()
        self.application = application
        self.provider = provider
        self.caller = caller
        self.trust_env = False
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._adapter = RecordingAdapter(self._keyed)
        self.mount("http://", self._adapter)
        self.mount("https://", self._adapter)

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """As requests.Session's, with a path joined to the provider's base URL."""
        url = request.url.decode() if isinstance(request.url, bytes) else str(request.url)
        url = self._absolute(url)
        if not preparing.is_usual(self, request):
            joined = requests.Request()
            joined.__dict__.update(request.__dict__)
            joined.url = url
            return super().prepare_request(joined)
        return preparing.prepared(self, request, url)

    def merge_environment_settings(  # type: ignore[override] # its stubs name no types
        self, url: Any, proxies: Any, stream: bool | None, verify: Any, cert: Any
    ) -> dict[str, Any]:
        """The call's own, else the session's; nothing of the environment, and no proxies."""
        return {
            "proxies": {},
            "stream": self.stream if stream is None else stream,
            "verify": self.verify if verify is None else verify,
            "cert": self.cert if cert is None else cert,
        }

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Sends one request once. Raises KeydeckError, and what `requests` raises.

        As requests.Session's, without what follows redirects: that asks every answer thrice.
        """
        if not isinstance(request, requests.PreparedRequest):
            raise ValueError("You can only send PreparedRequests.")
        options.pop("allow_redirects", None)
        options.setdefault("stream", self.stream)
        options.setdefault("verify", self.verify)
        options.setdefault("cert", self.cert)
        options["proxies"] = {}
        if options.get("timeout") is None:
            options["timeout"] = (settings.GATEWAY_CONNECT_TIMEOUT, settings.GATEWAY_TIMEOUT)
        started = time.perf_counter()
        try:
            response: requests.Response = self._adapter.send(request, **options)
        except Refusal as refused:
            raise _error(refused, request) from None
        response.elapsed = timedelta(seconds=time.perf_counter() - started)
        response = _hooked("response", request.hooks, response, **options)
        for answer in (*response.history, response):
            if "Set-Cookie" in answer.headers:
                keep_cookies(self.cookies, answer.request, answer.raw)
        if response.status_code in REDIRECT_STATI:
            following = self.resolve_redirects(response, request, yield_requests=True, **options)
            response._next = next(following, None)  # type: ignore[attr-defined] # not in its stubs
        if not options["stream"]:
            response.content  # noqa: B018 - reads it
        return response

    def get_adapter(self, url: str | bytes) -> RecordingAdapter:
        """Ours whatever was mounted: another one would send calls without key and record."""
        del url
        return self._adapter

    def _keyed(self, url: str) -> Keyed:
        spec = self._spec()
        base = spec.base_url.rstrip("/")
        rest = url.removeprefix(base)
        if rest == url or rest[:1] not in ("", "/", "?"):
            raise NotTheProvider(f"{_origin(url)} is not {spec.name}'s address")
        ingest.start_drainer()
        target = rest if rest.startswith("/") else "/" + rest
        return Keyed(spec, self._application_id(), self.caller, target)

    def _absolute(self, url: str) -> str:
        base = self._spec().base_url.rstrip("/")
        if "://" not in url.partition("?")[0]:
            return f"{base}/{url.lstrip('/')}"
        return url

    def _spec(self) -> ProviderSpec:
        here = desk.mine().directory
        try:
            spec = here.find(here.specs, self.provider)
        except (directory.Unavailable, TimeoutError, Error) as error:
            raise Unavailable("The database cannot be asked") from error
        if spec is None:
            raise UnknownProvider(f"No provider is called {self.provider}")
        return spec

    def _application_id(self) -> str:
        here = desk.mine().directory
        try:
            found = here.find(here.applications, self.application)
        except (directory.Unavailable, TimeoutError, Error) as error:
            raise Unavailable("The database cannot be asked") from error
        if found is None:
            raise UnknownApplication(f"No application is called {self.application}")
        return found


def _error(refused: Refusal, request: requests.PreparedRequest) -> KeydeckError:
    error = _ERRORS.get(refused.code, Refused)(refused.message, request=request)
    error.request_id = refused.request_id
    if isinstance(error, RateLimited):
        error.retry_after = refused.retry_after
    return error


def _origin(url: str) -> str:
    # Without user, path and query: they may hold a secret, and this goes into an exception.
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0].partition('?')[0].rpartition('@')[2]}"
