"""The process set of docker-compose.yml on this machine: its commands, its environment.

Containers' names become 127.0.0.1, their ports free ones, their files paths of the test.
"""

import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import yaml
from cryptography.fernet import Fernet

from tests.engines import POSTGRES, REDIS
from tests.live import PATIENCE, ROOT, free_port

REDIS_DATABASE = 9  # its own; the other tests use others
_VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


@contextmanager
def own_database() -> Iterator[str]:
    """The address of an empty PostgreSQL database that goes away afterwards."""
    name = f"keydeck_composed_{os.getpid()}"
    with psycopg.connect(POSTGRES, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield re.sub(r"/[^/]*$", f"/{name}", POSTGRES)
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


class Composed:
    """Services started by name, as the file says."""

    def __init__(self, folder: Path, database: str, **variables: str) -> None:
        self.file: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
        self.services: dict[str, Any] = self.file["services"]
        self.ports = {"8000": str(free_port()), "8080": str(free_port())}
        self.variables = variables
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._folder = folder
        self._secrets = folder / "secrets"
        self._secrets.mkdir()
        for name, text in {
            "database_url": database,
            "redis_url": f"{REDIS}/{REDIS_DATABASE}",
            "secret_key": "a" * 64,
            "master_keys": Fernet.generate_key().decode(),
        }.items():
            (self._secrets / name).write_text(text + "\n")

    def url(self, port: str) -> str:
        return f"http://127.0.0.1:{self.ports[port]}"

    def words(self, command: str | list[str]) -> list[str]:
        words = shlex.split(command) if isinstance(command, str) else command
        return [self._here(word) for word in words]

    def environment(self, service: str) -> dict[str, str]:
        given = self.services[service]["environment"]
        return {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "HOSTNAME": socket.gethostname(),
            "KEYDECK_STATIC_DIR": str(self._folder / "static"),  # the image's own
            **{name: self._here(str(value)) for name, value in given.items()},
        }

    def run(self, service: str, words: list[str]) -> subprocess.CompletedProcess[str]:
        """One command to its end, as in that service's container."""
        return subprocess.run(
            words,
            cwd=ROOT,
            env=self.environment(service),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def start(self, service: str) -> None:
        log = (self._folder / f"{service}.log").open("wb")
        with log:
            self.processes[service] = subprocess.Popen(
                self.words(self.services[service]["command"]),
                cwd=ROOT,
                env=self.environment(service),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def healthy(self, service: str) -> bool:
        """What the service's health check says."""
        kind, *test = self.services[service]["healthcheck"]["test"]
        if kind == "CMD-SHELL":
            test = shlex.split(test[0].replace("$$HOSTNAME", socket.gethostname()))
        return self.run(service, self.words(test)).returncode == 0

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(PATIENCE)

    def _here(self, text: str) -> str:
        text = _VARIABLE.sub(lambda found: self.variables.get(found[1], found[2]), text)
        text = text.replace("/run/secrets/", f"{self._secrets}/")
        text = text.replace("/var/lib/keydeck", str(self._folder / "data"))
        for inside, here in self.ports.items():
            text = re.sub(rf"(?<!\d){inside}(?!\d)", here, text)
        return {"python": sys.executable, "0.0.0.0": "127.0.0.1"}.get(text, text)  # noqa: S104
