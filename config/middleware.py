"""What is refused before any page looks at it."""

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import cast

from django.core.exceptions import BadRequest
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

Sync = Callable[[HttpRequest], HttpResponseBase]
Async = Callable[[HttpRequest], Awaitable[HttpResponseBase]]
REST = "/api/"  # says what is wrong with it in JSON, field by field


@sync_and_async_middleware
def refuse_nul(get_response: Sync | Async) -> Sync | Async:
    """400 for an address with a NUL character, which PostgreSQL takes in no parameter.

    Forms refuse it by themselves; addresses have ids and filters in many places.
    """
    if iscoroutinefunction(get_response):

        async def refuse_then_await(request: HttpRequest) -> HttpResponseBase:
            _refuse(request)
            return await cast("Async", get_response)(request)

        return refuse_then_await

    def refuse_then_answer(request: HttpRequest) -> HttpResponseBase:
        _refuse(request)
        return cast("Sync", get_response)(request)

    return refuse_then_answer


def _refuse(request: HttpRequest) -> None:
    has_nul = "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", "")
    if has_nul and not request.path_info.startswith(REST):
        raise BadRequest("a NUL character in the address")
