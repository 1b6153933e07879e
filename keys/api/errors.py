"""Errors of REST: one shape for every status, and which exception becomes which.

`{"error": {"message", "type", "code", …}, "message"}`: the shape that the gateway uses too, so
that a client needs one reader. A handler here never shows an exception's own text unless a person
wrote it for people.
"""

import logging
import re
from dataclasses import asdict
from typing import Any

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from pydantic import BaseModel

from keys.lifecycle import Conflict, ImportRefused, Invalid, LifecycleError, unopened
from keys.vault import Sealed, VaultError

logger = logging.getLogger(__name__)

TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    500: "api_error",
    503: "api_error",
}


class ErrorDetail(BaseModel):
    message: str
    type: str
    code: str
    field: str | None = None
    existing: str | None = None


class ErrorOut(BaseModel):
    """Every error's body."""

    error: ErrorDetail
    message: str


class ScopeMissing(Exception):
    """The token is good, but was not given what this act needs."""

    def __init__(self, scope: str) -> None:
        self.scope = scope
        super().__init__(scope)


class NoSuch(Http404):
    """What a filter names isn't there, or may not be seen: the same words for both."""

    def __init__(self, field: str, message: str) -> None:
        self.field, self.message = field, message
        super().__init__(message)


def problem(status: int, code: str, message: str, **more: Any) -> JsonResponse:
    """The answer that says what went wrong."""
    kind = TYPES.get(status, "invalid_request_error")
    detail = {"message": message, "type": kind, "code": code, **more}
    response = JsonResponse({"error": detail, "message": message}, status=status)
    if status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="keydeck"'
    return response


def _invalid_input(request: HttpRequest, error: ValidationError) -> HttpResponse:
    faults = [{"field": _field(e["loc"]), "message": _sentence(e)} for e in error.errors]
    first = faults[0]
    if not first["field"]:
        first["message"] = "A JSON object is needed."
    message = f"{first['field']}: {first['message']}" if first["field"] else first["message"]
    return problem(422, "invalid", message, field=first["field"], errors=faults)


def _field(loc: tuple[str | int, ...]) -> str:
    # ("body", <argument>, "limits", "per_minute") or ("query", <argument>, "since")
    parts = loc[2:] if loc[0] == "body" or len(loc) > 2 else loc[1:]
    return ".".join(str(part) for part in parts if not str(part).startswith("function-"))


def _sentence(fault: dict[str, Any]) -> str:
    if fault["type"] == "model_type":  # pydantic's words name a class of ours
        return "Input should be an object"
    # pydantic's own prefix for a ValueError raised by a validator
    return re.sub(r"^Value error, ", "", fault["msg"])


def _http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    if error.status_code == 400:
        return problem(400, "bad_request", "The body is not valid JSON.")
    return problem(error.status_code, "error", str(error))


def _unauthenticated(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    if request.headers.get("Authorization"):
        return problem(401, "invalid_token", "Invalid API token")
    return problem(401, "token_required", "API token required: Authorization: Bearer kdt_…")


def _conflict(request: HttpRequest, error: Conflict) -> HttpResponse:
    more = {"existing": error.existing} if error.existing else {}
    return problem(409, "conflict", error.message, **more)


def _unhandled(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.exception("%s %s failed", request.method, request.path)
    got_request_exception.send(sender=None, request=request)
    return problem(500, "internal_error", "Something went wrong here. It has been logged.")


def _database_away(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.exception("%s %s: the database did not answer", request.method, request.path)
    response = problem(503, "database_unavailable", "The database doesn't answer. Try again.")
    response["Retry-After"] = "5"
    return response


def _sealed(request: HttpRequest, error: Sealed) -> HttpResponse:
    return problem(503, "sealed", unopened(error))


def _vault_error(request: HttpRequest, error: VaultError) -> HttpResponse:
    logger.error("%s %s: %s", request.method, request.path, type(error).__name__)
    return problem(503, "undecryptable", unopened(error))


def install(api: NinjaAPI) -> None:
    """Registers every handler; the most specific class wins."""
    handlers: dict[type[Exception], Any] = {
        ValidationError: _invalid_input,
        HttpError: _http_error,
        AuthenticationError: _unauthenticated,
        ScopeMissing: lambda request, error: problem(
            403,
            "scope_missing",
            f"This token lacks the scope “{error.scope}”.",
            scope=error.scope,
        ),
        Http404: lambda request, error: problem(404, "not_found", "Not found"),
        NoSuch: lambda request, error: problem(404, "not_found", error.message, field=error.field),
        PermissionDenied: lambda request, error: problem(
            403, "forbidden", str(error) or "Your role doesn't allow this."
        ),
        Conflict: _conflict,
        Invalid: lambda request, error: problem(422, "invalid", error.message, field=error.field),
        ImportRefused: lambda request, error: problem(
            422,
            "invalid",
            error.message,
            field=error.field,
            errors=[asdict(fault) for fault in error.faults],
        ),
        LifecycleError: lambda request, error: problem(409, "refused", error.message),
        SuspiciousOperation: lambda request, error: problem(400, "bad_request", "Bad request"),
        Sealed: _sealed,
        VaultError: _vault_error,
        OperationalError: _database_away,
        InterfaceError: _database_away,
        # The last resort: whatever it is, the caller gets JSON without a word of its text.
        Exception: _unhandled,
    }
    for kind, handler in handlers.items():
        api.add_exception_handler(kind, handler)
