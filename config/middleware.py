"""What is refused before any page looks at it, what a refusal says, and what no browser keeps."""

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import cast

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.decorators import sync_and_async_middleware

from config.bodies import too_large

Sync = Callable[[HttpRequest], HttpResponseBase]
Async = Callable[[HttpRequest], Awaitable[HttpResponseBase]]
REST = "/api/"  # says what is wrong by itself, in JSON


@sync_and_async_middleware
def refuse(get_response: Sync | Async) -> Sync | Async:
    """413 for a body past the bound; 400 for an address with a NUL character."""
    if iscoroutinefunction(get_response):

        async def refuse_then_await(request: HttpRequest) -> HttpResponseBase:
            return _refusal(request) or await cast("Async", get_response)(request)

        return refuse_then_await

    def refuse_then_answer(request: HttpRequest) -> HttpResponseBase:
        return _refusal(request) or cast("Sync", get_response)(request)

    return refuse_then_answer


@sync_and_async_middleware
def unstored(get_response: Sync | Async) -> Sync | Async:
    """No answer is kept on a reader's disk unless its view says otherwise.

    Not only secrets are shown here: sign-in secrets on pages that aren't ours, who calls what.
    """
    if iscoroutinefunction(get_response):

        async def await_then_mark(request: HttpRequest) -> HttpResponseBase:
            return _mark(await cast("Async", get_response)(request))

        return await_then_mark

    def answer_then_mark(request: HttpRequest) -> HttpResponseBase:
        return _mark(cast("Sync", get_response)(request))

    return answer_then_mark


@sync_and_async_middleware
def explained(get_response: Sync | Async) -> Sync | Async:
    """405 as a page: who signs in anew after a button comes back to where it was sent."""
    if iscoroutinefunction(get_response):

        async def await_then_explain(request: HttpRequest) -> HttpResponseBase:
            return _explained(request, await cast("Async", get_response)(request))

        return await_then_explain

    def answer_then_explain(request: HttpRequest) -> HttpResponseBase:
        return _explained(request, cast("Sync", get_response)(request))

    return answer_then_explain


def _explained(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if not isinstance(response, HttpResponseNotAllowed) or request.path_info.startswith(REST):
        return response
    page = render(request, "405.html", status=405)
    page["Allow"] = response["Allow"]
    return page


def _mark(response: HttpResponseBase) -> HttpResponseBase:
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _refusal(request: HttpRequest) -> HttpResponse | None:
    if request.path_info.startswith(REST):
        return None
    if too_large(request):
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        return render(request, "413.html", {"limit": limit}, status=413)
    # PostgreSQL takes a NUL in no parameter. Forms refuse it by themselves; addresses have ids
    # and filters in many places.
    if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
        raise BadRequest("a NUL character in the address")
    return None
