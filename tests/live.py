"""The whole product as its user runs it: `manage.py up` in its own processes.

    with Keydeck(tmp_path) as keydeck:
        keydeck.call("GET", "/api/v1/applications")

The fixture `keydeck` is one shared by the tests marked `live` and `xdist_group("live")`; it ends
with the last of them.
"""

import fcntl
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import pytest

T = TypeVar("T")
ROOT = Path(__file__).resolve().parent.parent
# How many times longer than promised a thing may take in the suite, which shares the processor
# with the product, on a machine that may be slow or stand still for seconds;
# KEYDECK_TEST_SLACK=1 holds the product to the promise itself.
SLACK = float(os.environ.get("KEYDECK_TEST_SLACK", "10"))
# Seconds for what has to come about, however long it takes: ends what hangs, and is the subject
# of no test. Shorter than pytest's own limit (pyproject.toml), so that a test can say why.
PATIENCE = 240.0
ADMIN = "admin@example.com"
PASSWORD = "correct horse battery staple"
# Ends what the tests of a group share, with its last test: a product costs processor time as long
# as it runs, and a fixture of the session would let it run through all that follows.
stage = ExitStack()
# A word of each child's command line.
WORDS = {
    "web": "uvicorn",
    "worker": "worker",
    "beat": "beat",
    "sandbox": "sandbox",
    "guardian": "guardian.py",
}


def free_port() -> int:
    """A port where nothing listens until whoever asked does.

    It lies below those that the kernel hands out by itself, and its name is held as long as this
    process lives: whatever runs beside is given another.
    """
    while True:
        port = random.randrange(15_000, 32_000)
        with socket.socket(socket.AF_UNIX) as name, socket.socket() as probe:
            try:
                name.bind(f"\0keydeck-tests-{port}")
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            name.detach()
            return port


def wait_for(what: Callable[[], T], seconds: float, why: str) -> T:
    """The first true answer of `what`; fails with `why` when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        if answer := what():
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {why}")
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether the process runs; one that only waits to be reaped doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    method: str,
    url: str,
    body: Any = None,
    *,
    headers: dict[str, str] | None = None,
    timeout: float = PATIENCE,
) -> Reply:
    """One HTTP call; any status is an answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers or {}, method=method)
    if data is not None:
        request.add_header("Content-Type", "application/json")
    try:
        answer = urllib.request.urlopen(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return Reply(answer.status, dict(answer.headers.items()), answer.read())


class Keydeck:
    """One running product on its own data, ports and processes."""

    def __init__(self, data_dir: Path, **variables: str) -> None:
        self.data_dir = data_dir
        self.log = data_dir.with_name(f"{data_dir.name}.log")
        self.port, self.sandbox_port = free_port(), free_port()
        self.variables = {
            "KEYDECK_DATA_DIR": str(data_dir),
            "PORT": str(self.port),
            "KEYDECK_SANDBOX_PORT": str(self.sandbox_port),
            "KEYDECK_ADMIN_EMAIL": ADMIN,
            "KEYDECK_ADMIN_PASSWORD": PASSWORD,
            "KEYDECK_CHECK_INTERVAL": "2",
            **variables,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._token = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def environment(self) -> dict[str, str]:
        """The shell's, without anything that would set up Keydeck otherwise."""
        kept = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV")
        return {name: os.environ[name] for name in kept if name in os.environ} | self.variables

    def manage(self, *words: str, seconds: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        """`manage.py words…` on the same data; output as text, any exit code."""
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def start(self, seconds: float = PATIENCE) -> "Keydeck":
        with self.log.open("ab") as log:
            offset = log.tell()
            self._process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

        def greeted() -> bool:
            said = self.log.read_text()[offset:]
            assert self._process is not None
            assert self._process.poll() is None, f"it ended at its start:\n{said}"
            return "stop      Ctrl-C" in said

        try:
            wait_for(greeted, seconds, f"the greeting; see {self.log}")
            wait_for(lambda: {"worker", "beat"} <= self.pids().keys(), PATIENCE, "worker and beat")
        except BaseException:
            self.stop()
            raise
        return self

    @property
    def pid(self) -> int:
        """The supervisor's."""
        assert self._process is not None
        return self._process.pid

    def pids(self) -> dict[str, int]:
        """Name -> pid of the children that run now."""
        found = {}
        for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            try:
                command = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
            except OSError:
                continue
            for name, word in WORDS.items():
                if any(part.endswith(word) for part in command) and alive(int(pid)):
                    found[name] = int(pid)
                    break
        return found

    def send(self, number: signal.Signals) -> int:
        """Sends a signal to the supervisor and waits for its end; returns the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(PATIENCE)

    def stop(self) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self.send(signal.SIGTERM)
        self._process = None

    @property
    def token(self) -> str:
        """A REST token of the admin with all rights."""
        if not self._token:
            made = self.manage("issue_token", ADMIN, "--name", f"tests {time.time_ns()}")
            assert made.returncode == 0, made.stderr
            self._token = made.stdout.strip()
        return self._token

    def call(self, method: str, path: str, body: Any = None) -> Reply:
        """One REST call as the admin; `path` below /api/v1."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return ask(method, f"{self.url}/api/v1{path}", body, headers=headers)

    def query(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Reads the SQLite database as it lies on disk."""
        address = f"{(self.data_dir / 'keydeck.sqlite3').as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=20)) as reader:
            return reader.execute(sql, values).fetchall()

    def connect(self, secret: str = "sandbox-live-1", slug: str = "") -> tuple[str, str]:
        """A new application on the sandbox: its slug and the text of an app key."""
        slug = slug or f"app-{time.time_ns()}"
        self._made("/applications", {"name": slug, "slug": slug})
        key = {"name": "upstream", "provider": "sandbox", "secret": secret}
        self._made(f"/applications/{slug}/provider-keys", key)
        made = self._made(f"/applications/{slug}/app-keys", {"name": "code", "providers": None})
        return slug, made["key"]

    def _made(self, path: str, body: Any) -> Any:
        reply = self.call("POST", path, body)
        assert reply.status == 201, reply
        return reply.json()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The data of a product that was set up, demo and all, and doesn't run: made once for all
    workers, and to be copied."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    data, done = shared / "prepared" / "data", shared / "prepared.done"
    with (shared / "prepared.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            made = Keydeck(data).manage("up", "--prepare")
            assert made.returncode == 0, made.stderr
            done.touch()
    return data


@pytest.fixture(scope="session")
def keydeck(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Keydeck:
    """One product with the demo, shared by the tests of `xdist_group("live")`."""
    data = shutil.copytree(prepared, tmp_path_factory.mktemp("keydeck") / "data")
    return stage.enter_context(Keydeck(Path(data)))


def group_of(item: pytest.Item) -> str:
    """The xdist group, "" of most tests."""
    mark = item.get_closest_marker("xdist_group")
    return str(mark.args[0]) if mark else ""


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    if nextitem is None or group_of(item) != group_of(nextitem):
        stage.close()
