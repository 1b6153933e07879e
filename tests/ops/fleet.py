"""Production's processes, one by one: PostgreSQL, Redis, two gateways, worker, beat, a drainer.

    with Fleet(tmp_path) as fleet, fleet.calling(per_second=300) as load:
        fleet["redis"].kill()
        fleet.revive()

Callers call ModelsLab, in whose place the sandbox stands: it isn't killed and knows what it saw.
The fixture `fleet` is one shared by the tests of `xdist_group("fleet")`, each of which leaves it
running and settled.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.live import PATIENCE, ROOT, Keydeck, ask, free_port, stage, wait_for
from tests.ops.calling import Answer, Order, answers
from tests.ops.servers import Postgres, Redis, Server

GATEWAY = (
    "-m uvicorn config.asgi:gateway --host 127.0.0.1 --port {port} --loop uvloop"
    " --http config.protocol:BoundedProtocol --lifespan on --no-access-log --no-server-header"
    " --no-proxy-headers --limit-concurrency 4000 --timeout-keep-alive 60"
    " --timeout-graceful-shutdown 5 --log-level warning"
)
CELERY = "-m celery --quiet --skip-checks -A config {kind} --loglevel WARNING"
WORKER = " --pool threads --concurrency 4 --without-gossip --without-mingle --without-heartbeat"
DISK = 160  # MiB that spools have, where a file system of their own can be mounted
SETTLED = 300  # seconds for everything to come home on a loaded machine


class Program(Server):
    """One of the product's processes, which listens if `listens`."""

    def __init__(self, folder: Path, words: str, product: Keydeck, *, listens: bool) -> None:
        super().__init__(folder)
        self._words, self._product, self._listens = words, product, listens
        self._started = 0.0

    def command(self) -> list[str]:
        return [sys.executable, *self._words.format(port=self.port).split()]

    def options(self) -> dict[str, Any]:
        return {"cwd": ROOT, "env": self._product.environment}

    def start(self) -> None:
        super().start()
        self._started = time.monotonic()

    def answers(self) -> bool:
        """Whether it is at work; of one that doesn't listen, age must tell."""
        if not self._listens:
            return self.runs() and time.monotonic() - self._started > 2
        with suppress(OSError):
            return ask("GET", f"http://127.0.0.1:{self.port}/healthz", timeout=5).status < 500
        return False


class Disk:
    """A small file system in memory, or where that isn't allowed a folder like any other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "tmpfs", str(folder)]
        self.is_small = os.geteuid() == 0 and subprocess.run(
            command, capture_output=True, check=False
        ).returncode == 0  # fmt: skip
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Takes all that is free, to the last page."""
        with self._ballast.open("ab", buffering=0) as file, suppress(OSError):
            for piece in (1 << 20, 1 << 12):
                with suppress(OSError):
                    while True:
                        file.write(bytes(piece))

    def free(self) -> None:
        self._ballast.unlink()

    @property
    def used(self) -> int:
        """Bytes in spools."""
        paths = [path for path in self.folder.rglob("*") if path != self._ballast]
        return sum(path.stat().st_size for path in paths if path.is_file())

    def remove(self) -> None:
        if self.is_small:
            subprocess.run(["umount", str(self.folder)], check=False)


class Fleet:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk = Disk(folder / "spool")
        self.postgres, self.redis = Postgres(folder), Redis(folder)
        upstream = free_port()
        self.product = Keydeck(
            folder / "data",
            DATABASE_URL=self.postgres.url,
            REDIS_URL=self.redis.url,
            KEYDECK_DEMO="0",
            KEYDECK_PROVIDER_URLS=f"modelslab=http://127.0.0.1:{upstream}",
            KEYDECK_OUTBOUND_ALLOW=f"127.0.0.1:{upstream}",
            KEYDECK_SPOOL_DIR=str(self.disk.folder),
            KEYDECK_TRUSTED_PROXIES="127.0.0.1",
        )
        sandbox = f"manage.py sandbox --port {upstream}"
        self.sandbox = self._program("sandbox", sandbox, listens=True)
        self.sandbox.port = upstream
        self.gateways = [self._program(f"gateway{n}", GATEWAY, listens=True) for n in (1, 2)]
        self.programs: dict[str, Server] = {
            "postgres": self.postgres,
            "redis": self.redis,
            "gateway1": self.gateways[0],
            "gateway2": self.gateways[1],
            "worker": self._program("worker", CELERY.format(kind="worker") + WORKER),
            "beat": self._program("beat", CELERY.format(kind="beat")),
            "drainer": self._program("drainer", "-m tests.ops.drain_on"),
        }
        self.keys: list[str] = []
        self.began = datetime.now(UTC)

    def _program(self, name: str, words: str, *, listens: bool = False) -> Program:
        return Program(self.folder / name, words, self.product, listens=listens)

    def __getitem__(self, name: str) -> Server:
        return self.programs[name]

    def __enter__(self) -> Self:
        try:
            self.postgres.up()
            self.redis.up()
            made = self.product.manage("up", "--prepare", seconds=SETTLED)
            assert made.returncode == 0, made.stdout + made.stderr
            self.keys = self._run("-m", "tests.ops.issue_keys", "2").split()
            for server in (self.sandbox, *self.programs.values()):
                if not server.runs():
                    server.start()
            self.all_up()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        for server in reversed([self.postgres, self.redis, self.sandbox, *self.programs.values()]):
            if server.runs() and server not in (self.postgres, self.redis):
                server.kill()
        self.redis.down()
        self.postgres.down()
        self.postgres.remove()
        self.disk.remove()

    def _run(self, *words: str) -> str:
        command = [sys.executable, *words]
        return subprocess.run(
            command, cwd=ROOT, env=self.product.environment, capture_output=True, text=True,
            check=True, timeout=300,
        ).stdout  # fmt: skip

    def revive(self) -> list[str]:
        """Starts what has ended, as a supervisor would; returns the names."""
        ended = [name for name, server in self.programs.items() if not server.runs()]
        for name in ended:
            self.programs[name].start()
        return ended

    def fit(self, name: str) -> bool:
        """Whether it runs and answers: what only starts isn't worth a kill."""
        return self[name].runs() and self[name].answers()

    def all_up(self) -> None:
        def answers() -> bool:
            self.revive()
            return all(map(self.fit, self.programs)) and self.sandbox.answers()

        wait_for(answers, SETTLED, f"all processes answer; see {self.folder}")

    @contextmanager
    def calling(self, name: str = "c", **how: Any) -> Iterator["Load"]:
        """Callers of both gateways, a key for each, between `with`."""
        file = self.folder / f"answers-{name}"
        file.touch()
        ports = [gateway.port for gateway in self.gateways]
        order = Order(**{"ports": ports, "keys": self.keys, "file": str(file), "name": name, **how})
        command = [sys.executable, "-m", "tests.ops.calling", json.dumps(asdict(order))]
        with subprocess.Popen(command, cwd=ROOT) as process:
            try:
                yield Load(file)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(PATIENCE)

    # What the product and the provider say.

    def ledger(self) -> dict[str, Any]:
        shown = self.product.manage("ledger", "--json", seconds=300)
        assert shown.returncode == 0, shown.stderr
        found: dict[str, Any] = json.loads(shown.stdout)
        return found

    def settled(self) -> dict[str, Any]:
        """The ledger once all that was accepted is accounted for."""
        return (
            wait_for(
                lambda: (found := self.ledger())["pending"] == 0 and found,
                SETTLED,
                "all is drained",
            )
            or {}
        )

    def number(self, sql: str) -> int:
        return int(self.postgres.query(sql)[0][0])

    def stored(self) -> dict[str, str]:
        """Id -> outcome. Fails where an id is stored twice."""
        rows = self.postgres.query("SELECT id::text, outcome FROM usage_call")
        found = dict(rows)
        assert len(found) == len(rows), "a call is stored twice"
        return found

    def seen(self) -> Counter[str]:
        """How often the provider was asked with each mark."""
        told = ask("GET", f"http://127.0.0.1:{self.sandbox.port}/_sandbox/traces").json()
        return Counter(told["traces"])

    def counts_differ(self) -> str:
        """What `rebuild_rollups --check` says of all days since the start; empty: no difference."""
        days = (f"--since={self.began:%Y-%m-%d}", f"--until={datetime.now(UTC):%Y-%m-%d}")
        checked = self.product.manage("rebuild_rollups", "--check", *days, seconds=300)
        return "" if checked.returncode == 0 else checked.stdout[:2000] + checked.stderr


class Load:
    """What callers were answered so far."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.began = time.time()

    @property
    def answers(self) -> list[Answer]:
        return answers(self.file)

    def count(self) -> int:
        with self.file.open("rb") as lines:
            return sum(1 for _ in lines)


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return stage.enter_context(Fleet(tmp_path_factory.mktemp("fleet")))
