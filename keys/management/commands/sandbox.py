"""Runs the sandbox provider, or kills and revives a key of a running one."""

import http.client
import logging
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from keys.sandbox.address import noted
from keys.sandbox.server import listen, serve


class Command(BaseCommand):
    help = "Runs the sandbox provider: a local upstream to try the product on without credits."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument(
            "--port", type=int, help="--kill and --revive find the one that `make up` runs"
        )
        parser.add_argument("--state", type=Path, help="file that keeps killed keys")
        parser.add_argument("--kill", metavar="KEY", help="kill a key of the running sandbox")
        parser.add_argument("--revive", metavar="KEY", help="revive a key of the running sandbox")

    def handle(self, *, host: str, port: int | None, **options: Any) -> None:
        for verb in ("kill", "revive"):
            if (key := options[verb]) is not None:
                _change(host, port or noted(settings.DATA_DIR) or settings.SANDBOX_PORT, key, verb)
                self.stdout.write(f"{key} is {'killed' if verb == 'kill' else 'live again'}.")
                return
        # The connections that sandbox-reset and sandbox-cut break are no news.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        port = settings.SANDBOX_PORT if port is None else port
        try:
            sock = listen(host, port)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise CommandError(f"Cannot listen on {host}:{port}: {reason}.") from error
        name = f"[{host}]" if ":" in host else host
        url = f"http://{name}:{sock.getsockname()[1]}/"

        def say() -> None:
            self.stdout.write(f"The sandbox provider listens on {url}")
            self.stdout.flush()

        serve(sock, options["state"], say)


def _change(host: str, port: int, key: str, verb: str) -> None:
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("POST", f"/_sandbox/keys/{quote(key, safe='')}/{verb}")
        status = connection.getresponse().status
    except OSError as error:
        raise CommandError(
            f"No sandbox provider answers on {host}:{port}. If it runs elsewhere, say --port."
        ) from error
    finally:
        connection.close()
    if status == 404:
        raise CommandError(f"{key} is no sandbox key; they begin with sandbox-.")
    if status != 200:
        raise CommandError(f"The program on {host}:{port} answered {status}.")
