"""Logging: one line an event on stderr, with anything key-shaped masked (DESIGN decision 10)."""

import logging
import re
import time
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


class SeldomRefusals(logging.Filter):
    """Tells each kind of Django's refusals once a minute, and in one short line.

    A wrong Host header is worth a word to who set ALLOWED_HOSTS, but a trace and the header four
    times over for each would let anybody fill the disk, a quarter of a megabyte a request.
    """

    EVERY = 60.0  # seconds
    LONGEST = 300  # characters

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[str, float] = {}  # kind -> when last; Django's kinds are few

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is told."""
        if not record.name.startswith("django.security"):
            return True
        now = time.monotonic()
        if now - self._told.get(record.name, -self.EVERY) < self.EVERY:
            return False
        self._told[record.name] = now
        # Masked first: of a key that is cut in two, nobody knows its shape.
        record.msg, record.args = mask(record.getMessage())[: self.LONGEST], ()
        record.exc_info = record.exc_text = record.stack_info = None
        return True


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
    "filters": {"seldom": {"()": SeldomRefusals}},
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["seldom"]}
    },
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
