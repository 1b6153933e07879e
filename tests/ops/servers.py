"""PostgreSQL and Redis servers of a test's own: their death harms nobody else.

with Postgres(folder) as postgres, Redis(folder) as redis:
    postgres.url, redis.url
"""

import os
import shutil
import signal
import subprocess
import tempfile
from abc import ABC, abstractmethod
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
import pytest
import redis

from tests.live import PATIENCE, free_port, wait_for

SECONDS = PATIENCE  # that a start may take; a crash is recovered from first


def program(name: str) -> str | None:
    """Debian keeps PostgreSQL's programs out of the PATH."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *map(str, folders)]))


needs_own_servers = pytest.mark.skipif(
    not (program("initdb") and program("redis-server")),
    reason="needs PostgreSQL's and Redis's programs on this machine",
)


class Server(ABC):
    """One process that can be killed and started again on the same data and port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """What starts it."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether it takes requests."""

    def options(self) -> dict[str, Any]:
        return {}

    def start(self) -> None:
        """Starts it without waiting."""
        with self.folder.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **self.options(),
            )

    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def up(self) -> None:
        """Starts it until it answers: what was killed may still let go of its port or memory."""

        def answers() -> bool:
            if not self.runs():
                self.start()
            return self.answers()

        wait_for(answers, SECONDS, f"{type(self).__name__} answers; see {self.folder}.log")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def down(self, number: signal.Signals = signal.SIGINT) -> None:
        """Stops it in order; PostgreSQL calls SIGINT a fast shutdown."""
        if self.process is not None and self.runs():
            self.process.send_signal(number)
            self.process.wait(SECONDS)

    def __enter__(self) -> Self:
        self.up()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.down()


class Postgres(Server):
    """A cluster of its own. It refuses to run as root, who lends it the account `postgres`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "postgres")
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"
        self._account = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        # Not in `folder`: pytest's folders let no other account through.
        self._data = Path(tempfile.mkdtemp(prefix="keydeck-postgres-"))
        if self._account:
            shutil.chown(self._data, **self._account)
        words = f"{program('initdb')} -D {self._data} -U postgres -A trust -E UTF8 --no-sync"
        subprocess.run(words.split(), check=True, capture_output=True, **self.options())

    def __exit__(self, *_: Any) -> None:
        self.down()
        self.remove()

    def remove(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)

    def options(self) -> dict[str, Any]:
        return {"cwd": "/", **self._account}

    def command(self) -> list[str]:
        words = f"{program('postgres')} -D {self._data} -k {self._data} -h 127.0.0.1"
        return [*words.split(), "-p", str(self.port), "-c", "max_connections=200"]

    def answers(self) -> bool:
        try:
            with psycopg.connect(self.url, connect_timeout=3) as connection:
                connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(sql.encode()).fetchall()

    def kill_backend(self) -> None:
        """Kills one of its working processes: the others end too and it recovers by itself."""
        sql = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"
        with suppress(psycopg.Error, ProcessLookupError, IndexError):
            own = [pid for (pid,) in self.query(f"{sql} AND pid <> pg_backend_pid()")]
            os.kill(own[0], signal.SIGKILL)


class Redis(Server):
    """Forgets everything when it dies."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "redis")
        self.folder.mkdir()
        self.url = f"redis://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        words = f"{program('redis-server')} --port {self.port} --bind 127.0.0.1 --save --appendonly"
        words = words.replace("--save", "--save ''")
        return [word.strip("'") for word in words.split()] + ["no", "--dir", str(self.folder)]

    def answers(self) -> bool:
        with redis.Redis.from_url(self.url, socket_connect_timeout=1) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False
