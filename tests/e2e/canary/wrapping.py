"""Calls through KeyedSession, in a process of its own: `python -m … <application>:<provider>…`.

Says all that a program would say of its calls when it is debugged: responses, exceptions,
their requests, tracebacks with the values of local variables, all of the logging.
"""

import logging
import pickle
import sys
import traceback
from typing import Any

import django
import requests

django.setup()  # before the imports below: they need the apps loaded

from usage import ingest  # noqa: E402
from usage.client import KeyedSession  # noqa: E402

TEXT2IMG = "/api/v6/images/text2img"
JSON = {"prompt": "a lighthouse", "model_id": "flux"}


def tell(label: str, *things: Any) -> None:
    for thing in things:
        print(label, repr(thing), str(thing))


def tell_request(label: str, request: Any) -> None:
    if request is not None:
        tell(label, request, vars(request), getattr(request, "body", None))


def tell_response(label: str, response: requests.Response) -> None:
    tell(label, response, response.url, response.headers, response.reason, response.history)
    tell(label, response.cookies, response.text, response.content)
    tell_request(label, response.request)
    try:
        response.raise_for_status()
    except requests.HTTPError as error:
        tell_error(label, error)
    sys.stdout.flush()
    sys.stdout.buffer.write(pickle.dumps(response))


def tell_error(label: str, error: Exception) -> None:
    tell(label, error, error.args, vars(error))
    tell_request(label, getattr(error, "request", None))
    whole = traceback.TracebackException.from_exception(error, capture_locals=True)
    print(label, "".join(whole.format()))
    logging.getLogger("batch").error("%s failed", label, exc_info=error)
    sys.stdout.flush()
    sys.stdout.buffer.write(pickle.dumps(error.args))


def call(application: str, provider: str) -> None:
    ways: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", TEXT2IMG, {"json": JSON}),
        ("POST", TEXT2IMG, {"data": JSON}),
        (
            "POST",
            TEXT2IMG,
            {"data": b'{"prompt": ', "headers": {"Content-Type": "application/json"}},
        ),
        ("GET", "/api/v7/models", {"params": {"page": "1"}}),
        ("POST", "/v1/chat/completions", {"json": {"messages": ["x"], "model": "m"}}),
        ("POST", "/refuse/this", {"json": JSON, "timeout": 5}),
        ("GET", "/anything", {"timeout": 0.3}),
        ("GET", "https://example.com/elsewhere", {}),
        ("GET", "/streamed", {"stream": True}),
    ]
    with KeyedSession(application, provider, caller="sweep") as session:
        for method, path, options in ways:
            label = f"{application} {method} {path}"
            try:
                tell_response(label, session.request(method, path, **options))
            except requests.RequestException as error:
                tell_error(label, error)
        tell(application, session, session.headers, session.cookies)


def main() -> None:
    logging.getLogger().setLevel(logging.DEBUG)
    for words in sys.argv[1:]:
        call(*words.split(":"))
    ingest.stop_drainer()


if __name__ == "__main__":
    main()
