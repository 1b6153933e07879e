"""Makes what is missing of the demo application and its traffic; `demo` runs it when needed."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from usage import demo

PATIENCE = 20.0  # seconds for the sandbox to answer


class Command(BaseCommand):
    help = "Makes what is missing of the demo application and its traffic."

    def handle(self, **options: Any) -> None:
        application = demo.application()
        if application is None:
            return  # it was deleted, and stays so
        with _sandbox():
            demo.fill(application, timezone.now())


@contextmanager
def _sandbox() -> Iterator[None]:
    """The sandbox provider, running unless it runs already: first verdicts and calls are real."""
    if _answers():
        yield
        return
    command = [sys.executable, "manage.py", "sandbox", "--port", str(settings.SANDBOX_PORT)]
    with subprocess.Popen(  # noqa: S603 - our own command
        command, cwd=settings.BASE_DIR, stdout=subprocess.DEVNULL
    ) as process:
        try:
            deadline = time.monotonic() + PATIENCE
            while not _answers():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise CommandError(f"no sandbox provider on port {settings.SANDBOX_PORT}")
                time.sleep(0.05)
            yield
        finally:
            process.terminate()


def _answers() -> bool:
    with requests.Session() as session:
        session.trust_env = False
        try:
            session.get(f"http://127.0.0.1:{settings.SANDBOX_PORT}/", timeout=2)
        except requests.RequestException:
            return False
    return True
