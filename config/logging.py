"""Logging: one line an event on stderr, with anything key-shaped masked (DESIGN decision 10)."""

import logging
import re
from typing import Any

# Our own keys and tokens, and a shape that several providers' keys have.
_KEY_SHAPES = re.compile(r"kdt?_[A-Za-z0-9_]{8,}|\bsk-[A-Za-z0-9_-]{8,}")
# What follows a credential's name in a header, a URL, a body, a Python value.
_NAMED = re.compile(
    r"((?:key|secret|token|passw(?:or)?d|authorization)"
    r"(?:[\"'\\]*\s*[:=]\s*b?[\"'\\]*|[\"']\s*,\s*b?[\"'])(?:(?:bearer|basic)\s+)?"
    r"|\bbearer\s+)[^\s\"'\\&,;]{8,}",
    re.IGNORECASE,
)


def mask(text: str) -> str:
    """`text` with everything key-shaped replaced by `[masked]`."""
    return _NAMED.sub(r"\1[masked]", _KEY_SHAPES.sub("[masked]", text))


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
        # A line for each malformed request would let anybody fill the log.
        "config.protocol": {"level": "ERROR"},
        "django.request": {"level": "ERROR"},
        # Its DEBUG lines carry whole URLs, and some providers take their key there.
        "urllib3": {"level": "INFO"},
        "celery.beat": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}
