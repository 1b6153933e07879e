"""REST, put together: the NinjaAPI instance that config/urls.py mounts at /api/v1/.

Tokens, not cookies, open it, so Django's sign-in and CSRF checks don't apply; every answer,
also to a path that doesn't exist, is JSON and is not to be stored.
"""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import URLPattern, URLResolver, re_path
from django.views.decorators.csrf import csrf_exempt
from ninja import NinjaAPI

from config.bodies import too_large
from keys.api import (
    app_keys,
    applications,
    audit,
    batches,
    checks,
    errors,
    importing,
    jobs,
    leavers,
    prices,
    provider_keys,
    providers,
)
from keys.api.errors import ErrorOut
from keys.lifecycle import Invalid
from usage.api import alerts, balance, calls, hygiene, ledger, ranking, totals

VERSION = "1.0"
_FOR = {"HEAD": "GET"}  # the server leaves the body out
View = Callable[..., HttpResponseBase]
# JSON, or nothing said; the form type is what `curl -d` says of any body.
TYPES = {"", "application/json", "application/x-www-form-urlencoded"}


class RestAPI(NinjaAPI):
    """NinjaAPI with our door around each of its views."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._documents: dict[str, Any] = {}

    def _get_urls(self) -> list[URLResolver | URLPattern]:
        patterns = super()._get_urls()
        for pattern in patterns:
            if isinstance(pattern, URLPattern):
                pattern.callback = _door(pattern.callback)
        return [*patterns, re_path(r"", _door(_unknown_path), name="unknown")]

    def get_openapi_schema(self, **arguments: Any) -> Any:
        """The document, with the errors that any operation can answer with.

        Made once: it takes 0.2 s, and anybody may ask for it.
        """
        name = repr(sorted(arguments.items()))
        if name not in self._documents:
            self._documents[name] = self._document(**arguments)
        return self._documents[name]

    def _document(self, **arguments: Any) -> Any:
        document = super().get_openapi_schema(**arguments)
        document["components"]["schemas"].update(_error_schemas())
        for methods in document["paths"].values():
            for method, operation in methods.items():
                _describe_errors(method, operation)
        return document


def _door(view: View) -> View:
    @csrf_exempt
    @login_not_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if too_large(request):
            return errors.problem(413, "body_too_large", "The body is too large.")
        kind = request.content_type or ""
        if kind not in TYPES and not kind.endswith("+json"):
            return errors.problem(415, "unsupported_media_type", "Send JSON: application/json.")
        asked, request.method = request.method, _FOR.get(request.method or "", request.method)
        try:
            response = view(request, *args, **kwargs)
        except Http404:
            response = _unknown_path(request)
        finally:
            request.method = asked
        if response.status_code == 405:
            allowed = response["Allow"]
            response = errors.problem(405, "method_not_allowed", f"Allowed here: {allowed}.")
            response["Allow"] = allowed
        response["Cache-Control"] = "no-store"
        return response

    return guarded


def _unknown_path(request: HttpRequest) -> HttpResponse:
    return errors.problem(404, "not_found", "Not found")


# Beside 401 and 500, which any operation can answer with.
_STATUSES = {
    "get": (403, 404, 422),
    "post": (400, 403, 404, 409, 413, 415, 422, 503),
    "patch": (400, 403, 404, 409, 413, 415, 422),
    "put": (400, 403, 404, 409, 413, 415, 422),
    "delete": (403, 404, 409),
}


def _error_schemas() -> dict[str, Any]:
    schema = ErrorOut.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "ErrorOut": schema}


def _describe_errors(method: str, operation: dict[str, Any]) -> None:
    body = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorOut"}}}
    for status in (401, *_STATUSES[method], 500):
        phrase = HTTPStatus(status).phrase
        operation["responses"].setdefault(status, {"description": phrase, "content": body})


def _strict_query(view: View) -> View:
    """Refuses a query parameter that the operation doesn't know: a mistyped filter would widen
    the answer without a word."""
    operation = view._ninja_operation  # type: ignore[attr-defined]
    known = {
        name
        for model in operation.models
        if model.__ninja_param_source__ == "query"
        for name in model.__ninja_flatten_map__
    }

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        for name in request.GET:
            if name not in known:
                raise Invalid(name[:50], "There is no such parameter here.")
        return view(request, *args, **kwargs)

    return checked


api = RestAPI(
    title="Keydeck",
    version=VERSION,
    description="Keys, usage and calls. Make a token with `manage.py issue_token EMAIL --name N`.",
    docs_url=None,
    urls_namespace="api",
)
errors.install(api)
api.add_decorator(_strict_query)
api.add_router("/applications", applications.router)
api.add_router("/applications", batches.router)
api.add_router("/applications", importing.router)
api.add_router("/applications", leavers.router)
api.add_router("/applications", provider_keys.router)
api.add_router("/applications", app_keys.router)
api.add_router("/checks", checks.router)
api.add_router("/providers", providers.router)
api.add_router("/providers", prices.router)
api.add_router("/applications", balance.router)
api.add_router("/jobs", jobs.router)
api.add_router("/usage", totals.router)
api.add_router("/usage", ranking.router)
api.add_router("/calls", calls.router)
api.add_router("/ledger", ledger.router)
api.add_router("/audit", audit.router)
api.add_router("/alerts", alerts.router)
api.add_router("/hygiene", hygiene.router)
