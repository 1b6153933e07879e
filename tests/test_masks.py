"""Inside one process: what logs, error pages, reprs and Celery's messages may say."""

import inspect
import io
import logging
import traceback
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path
from hypothesis import given
from hypothesis import strategies as st

from config.celery import app as celery
from config.logging import LOGGING, MaskingFormatter
from keys.providers.injection import inject
from keys.providers.modelslab import MODELSLAB
from keys.providers.outgoing import Outgoing
from keys.vault import Secret

CANARY = "aB3dE5gH7jK9mN1pQ2rS"
APP_KEY = f"kd_live_0123456789ab_{CANARY * 2}"[:59]


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What a logger says through the product's own formatter, DEBUG included."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(MaskingFormatter(**_options()))
    logger = logging.getLogger("masks")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield stream
    logger.removeHandler(handler)


def _options() -> dict[str, str]:
    line = LOGGING["formatters"]["line"]
    return {"fmt": line["format"], "style": line["style"]}


@pytest.mark.parametrize(
    "said",
    [
        f"sent {APP_KEY}",
        f"token kdt_0123456789ab_{CANARY}",
        f"key sk-proj-{CANARY}",
        f"GET /v1/x?page=1&key={CANARY}",
        f"Authorization: Bearer {CANARY}",
        f"authorization: Basic {CANARY}",
        f'{{"key":"{CANARY}", "prompt": "x"}}',
        f'{{"body": "{{\\"key\\": \\"{CANARY}\\"}}"}}',
        repr({"key": CANARY}),
        repr({"headers": {"x-api-key": CANARY}}),
        repr([(b"x-api-key", CANARY.encode())]),
        repr({"Authorization": f"Bearer {CANARY}"}),
        f"secret={CANARY}&name=x",
        f"password: {CANARY}",
    ],
)
def test_a_log_line_masks_what_looks_like_a_credential(said: str, lines: io.StringIO) -> None:
    logger = logging.getLogger("masks")
    logger.info(said.replace("%", "%%"))
    logger.info("with an argument: %s", said)
    logger.info("with a value: %r", [said])
    try:
        raise ConnectionError(said, {"body": said})
    except ConnectionError:
        logger.exception("it broke")
        logger.debug("with its stack", stack_info=True, exc_info=True)
    assert "it broke" in lines.getvalue()
    assert "[masked]" in lines.getvalue()
    assert CANARY not in lines.getvalue()


@given(st.text(max_size=40))
def test_masking_never_fails_and_leaves_plain_words_alone(text: str) -> None:
    record = logging.makeLogRecord({"msg": "%s", "args": (text,)})
    assert MaskingFormatter("%(message)s").format(record) is not None
    kept = logging.makeLogRecord({"msg": "probe of 0123456789ab failed: TimeoutError"})
    assert MaskingFormatter("%(message)s").format(kept) == kept.getMessage()


def test_debugging_turned_on_logs_no_urls_of_providers() -> None:
    assert LOGGING["loggers"]["urllib3"] == {"level": "INFO"}


def test_a_traceback_that_shows_values_shows_no_key() -> None:
    def call(secret: Secret) -> None:
        asked = Outgoing("POST", "/api/v6/x", f"key={APP_KEY}", (("key", APP_KEY),), b"{}")
        sent = inject(MODELSLAB, asked, APP_KEY, secret)
        raise ConnectionError(sent)

    with pytest.raises(ConnectionError) as caught:
        call(Secret(CANARY))
    frames = traceback.TracebackException.from_exception(
        caught.value.with_traceback(caught.tb.tb_next), capture_locals=True
    )
    shown = "".join(frames.format())
    assert "Outgoing(method='POST'" in shown
    assert CANARY not in shown.replace(APP_KEY, "")


def _broken(request: HttpRequest) -> HttpResponse:
    secret = request.POST["secret"]
    raise RuntimeError(f"cannot seal {secret}")


urlpatterns = [path("broken", _broken)]


@override_settings(ROOT_URLCONF=__name__, DEBUG=False, MIDDLEWARE=[])
def test_an_error_page_shows_nothing_of_the_request_or_the_error() -> None:
    client = Client(raise_request_exception=False)
    answer = client.post("/broken?key=" + CANARY, {"secret": CANARY}, headers={"X-Key": CANARY})
    assert answer.status_code == 500
    assert "Something broke on our side" in answer.text
    assert CANARY not in answer.text
    assert settings.SECRET_KEY not in answer.text


def test_debugging_is_off_unless_asked_for_and_errors_are_mailed_to_nobody() -> None:
    assert not settings.DEBUG
    assert not settings.ADMINS


def test_every_celery_task_takes_ids_alone() -> None:
    celery.loader.import_default_modules()
    ours = [task for name, task in celery.tasks.items() if not name.startswith("celery.")]
    assert {task.name for task in ours} >= set(celery.conf.beat_schedule)
    for task in ours:
        for parameter in inspect.signature(task.run).parameters.values():
            assert parameter.name == "id" or parameter.name.endswith("_id"), task.name
            assert parameter.annotation in (str, int), task.name
    for entry in celery.conf.beat_schedule.values():
        assert not entry.get("args")
        assert not entry.get("kwargs")
    assert celery.conf.task_ignore_result
