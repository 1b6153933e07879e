"""Prepares everything and serves: what `make up` runs."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connections

from keys import startup


class Command(BaseCommand):
    help = "Prepares database, master key, admin and demo, then serves until Ctrl-C."
    requires_system_checks = ()

    def handle(self, **options: Any) -> None:
        os.umask(0o077)  # what lies in the data directory is nobody else's
        try:
            listener = startup.listen(settings.PORT)
            words = self._prepare()
        except startup.StartupError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("stopped before it served", returncode=130) from None
        connections.close_all()
        os.set_inheritable(listener.fileno(), True)
        self._serve(listener.fileno(), words)

    def _prepare(self) -> str:
        """Every step in order; returns what is said once the pages answer."""
        if settings.DEMO:
            startup.listen(settings.SANDBOX_PORT, "KEYDECK_SANDBOX_PORT").close()
        startup.check_data_dir()
        with self._step("database") as say:
            applied = startup.migrate()
            say(f"{applied} migrations applied" if applied else "up to date")
        with self._step("pages") as say:
            say("static files collected" if startup.collect_static() else "up to date")
        with self._step("master key") as say:
            state, is_open = startup.open_vault()
            say(state)
        with self._step("admin") as say:
            email, password = startup.ensure_admin()
            say("made" if password else "there already")
        if settings.DEMO and is_open:
            with self._step("demo") as say:
                call_command("demo", stdout=self.stdout)
                say("application “demo” on the sandbox provider")
        return _greeting(email, password, is_open)

    @contextmanager
    def _step(self, name: str) -> Iterator[Callable[[str], None]]:
        started = time.monotonic()
        words: list[str] = []
        yield words.append
        took = time.monotonic() - started
        self.stdout.write(f"  {name:<11} {took:5.1f} s  {' '.join(words)}")
        self.stdout.flush()

    def _serve(self, listener: int, words: str) -> NoReturn:
        # Becomes the supervisor: the same process, without Django. The words go through a pipe,
        # because an environment or an argument with a password in it could be read by others.
        names = ["web", "worker", "beat", *(["sandbox"] if settings.DEMO else [])]
        reading, writing = os.pipe()
        os.write(writing, words.encode())
        os.close(writing)
        os.set_inheritable(reading, True)
        environment = {
            **os.environ,
            "PORT": str(settings.PORT),
            "KEYDECK_SOCKET": str(listener),
            "KEYDECK_SANDBOX_PORT": str(settings.SANDBOX_PORT),
        }
        environment.pop("KEYDECK_ADMIN_PASSWORD", None)  # done with it
        command = ["-m", "config.supervisor", "--greeting", str(reading), *names]
        os.chdir(settings.BASE_DIR)
        os.execve(sys.executable, [sys.executable, *command], environment)  # noqa: S606


def _greeting(email: str, password: str, is_open: bool) -> str:
    lines = ["", f"  Keydeck   {settings.PUBLIC_URL}", f"  sign in   {email}"]
    if password:
        lines.append(f"  password  {password}  (shown this once)")
    if not is_open:
        lines.append("  SEALED    the master key is missing: no key can be used, added or copied")
    return "\n".join([*lines, "  stop      Ctrl-C", ""])
