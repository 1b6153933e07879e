"""Logging: one line an event on stderr, with anything key-shaped masked (DESIGN decision 10)."""

import logging
import re
from typing import Any

# Our own keys and tokens, and the shapes that providers' keys have in headers, URLs and bodies.
_KEY_SHAPES = re.compile(
    r"kdt?_[A-Za-z0-9_]{8,}"
    r"|\bsk-[A-Za-z0-9_-]{8,}"
    r"|(?i:(?<=bearer )|(?<=[?&]key=)|(?<=\"key\": \")|(?<=\"key\":\"))[^\s\"'&]{8,}"
)


def mask(text: str) -> str:
    """`text` with everything key-shaped replaced by `[masked]`."""
    return _KEY_SHAPES.sub("[masked]", text)


class MaskingFormatter(logging.Formatter):
    """Masks after formatting, so that arguments and tracebacks are covered too."""

    def format(self, record: logging.LogRecord) -> str:
        return mask(super().format(record))


LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": MaskingFormatter,
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        # Uvicorn brings handlers of its own, which mask nothing.
        "uvicorn": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        "uvicorn.error": {"handlers": [], "level": "WARNING", "propagate": True},
        "uvicorn.access": {"handlers": [], "level": "WARNING", "propagate": True},
        "django.request": {"level": "ERROR"},
        "celery.beat": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}
