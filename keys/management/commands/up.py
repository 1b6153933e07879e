"""Prepares everything and serves: what `make up` runs."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from keys import audit, doctor, startup
from keys.sandbox import address


class Command(BaseCommand):
    help = "Prepares database, master key, admin and demo, then serves until Ctrl-C."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--prepare", action="store_true", help="database, vault and admin; serve nothing"
        )

    def handle(self, *, prepare: bool, **options: Any) -> None:
        os.umask(0o077)  # what lies in the data directory is nobody else's
        try:
            startup.check_settings()
            if prepare:
                self._prepare()
            else:
                self._serve()
        except startup.StartupError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            raise CommandError("stopped before it served", returncode=130) from None

    def _serve(self) -> None:
        startup.check_data_dir()
        lock = startup.hold_data_dir()
        listener = startup.listen(settings.PORT)
        if settings.DEMO:
            startup.listen(settings.SANDBOX_PORT, "KEYDECK_SANDBOX_PORT").close()
        with self._step("pages") as say:
            say("static files collected" if startup.collect_static() else "up to date")
        words = [*self._prepare(), "stop      Ctrl-C"]
        if settings.DEMO:
            address.note(settings.DATA_DIR, settings.SANDBOX_PORT)
        connections.close_all()
        os.set_inheritable(listener.fileno(), True)
        os.set_inheritable(lock, True)  # the supervisor holds it to its end
        _become_supervisor(listener.fileno(), "".join(f"\n  {line}" for line in ["", *words, ""]))

    def _prepare(self) -> list[str]:
        """What the processes rely on; returns lines to greet with."""
        startup.check_admin()  # before a minute of migrations
        with self._step("database") as say:
            applied = startup.migrate()
            say(f"{applied} migrations applied" if applied else "up to date")
        if not audit.is_ours():
            with self._step("audit") as say:
                say("sealed with another SECRET_KEY: put that one back, the next event breaks it")
        with self._step("master key") as say:
            state, is_open = startup.open_vault()
            say(state)
        with self._step("admin") as say:
            email, password = startup.ensure_admin()
            say(f"made, password {password} (said this once)" if password else email)
        if settings.DEMO and is_open:
            with self._step("demo") as say:
                call_command("demo", stdout=self.stdout)
                say("application “demo” on the sandbox provider")
        if is_open:
            doctor.ask_for_examination()
        greeting = [f"Keydeck   {settings.PUBLIC_URL}", f"sign in   {email}"]
        if password:
            greeting.append(f"password  {password}")
        if not is_open:
            greeting.append(f"SEALED    {state}")
        return greeting

    @contextmanager
    def _step(self, name: str) -> Iterator[Callable[[str], None]]:
        started = time.monotonic()
        words: list[str] = []
        yield words.append
        took = time.monotonic() - started
        self.stdout.write(f"  {name:<11} {took:5.1f} s  {' '.join(words)}")
        self.stdout.flush()


def _become_supervisor(listener: int, words: str) -> NoReturn:
    # The same process goes on, without Django. The words go through a pipe, because a password
    # in an argument or the environment could be read by others.
    names = ["web", *(["sandbox"] if settings.DEMO else [])]
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
    later = ["--later", "worker", "beat"]  # nobody waits for them
    command = ["-m", "config.supervisor", "--greeting", str(reading), *names, *later]
    os.chdir(settings.BASE_DIR)
    os.execve(sys.executable, [sys.executable, *command], environment)  # noqa: S606
