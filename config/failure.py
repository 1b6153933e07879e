"""What a page answers when something breaks; REST has its own answers (keys.api.errors)."""

import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template import loader
from django.views.defaults import server_error

RETRY_AFTER = 5  # seconds, as in REST


def broken(request: HttpRequest) -> HttpResponse:
    """503 while the database doesn't answer, else 500; nothing of the error is shown."""
    if not isinstance(sys.exception(), OperationalError | InterfaceError):
        return server_error(request)
    # Without a context: its processors would ask the database.
    text = loader.get_template("503.html").render()
    return HttpResponse(text, status=503, headers={"Retry-After": RETRY_AFTER})
