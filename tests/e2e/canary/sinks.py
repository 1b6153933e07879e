"""Where a secret could come to lie: every sink of a running product, as named bytes."""

import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

import redis

from tests.live import PATIENCE, Keydeck, ask, wait_for

Sinks = Iterator[tuple[str, bytes]]


def files(name: str, folder: Path) -> Sinks:
    """Every file below a folder."""
    for path in sorted(folder.rglob("*")):
        with suppress(FileNotFoundError):  # a message or a segment that was taken meanwhile
            if path.is_file():
                yield f"{name}/{path.relative_to(folder)}", path.read_bytes()


def tables(name: str, database: Path) -> Sinks:
    """Each table's rows: texts that the file spreads over several pages are whole here."""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=20)) as reader:
        found = reader.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in found:
            rows = reader.execute(f'SELECT * FROM "{table}"')  # noqa: S608 - names from the schema
            yield f"{name} {table}", b"\n".join(b"\x1f".join(map(_bytes, row)) for row in rows)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def processes(keydeck: Keydeck) -> Sinks:
    """Command line, environment and deleted files still open, of each process."""
    for name, pid in [("supervisor", keydeck.pid), *keydeck.pids().items()]:
        yield from process(name, pid)


def process(name: str, pid: int) -> Sinks:
    for what in ("cmdline", "environ"):
        yield f"process {name} {what}", Path(f"/proc/{pid}/{what}").read_bytes()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            target = descriptor.readlink()
            if target.name.endswith(" (deleted)"):
                yield f"process {name} {target}", descriptor.read_bytes()


def redis_keys(client: redis.Redis) -> Sinks:
    """Every key of a Redis database with all that it holds."""
    for key in client.scan_iter():
        kind = client.type(key)
        held: Any = {
            b"string": lambda key: [client.get(key)],
            b"list": lambda key: client.lrange(key, 0, -1),
            b"set": client.smembers,
            b"hash": lambda key: chain.from_iterable(client.hgetall(key).items()),
            b"zset": lambda key: client.zrange(key, 0, -1),
        }[kind](key)
        yield f"redis {key.decode('utf-8', 'replace')}", b"\n".join([key, *held])


def of_provider(keydeck: Keydeck) -> Sinks:
    """What the sandbox provider tells of what it got."""
    for path in ("/_sandbox/requests?last=10000", "/_sandbox/keys", "/_sandbox/traces", "/"):
        yield f"provider's {path}", ask("GET", keydeck.sandbox_url + path).body


def of_product(keydeck: Keydeck) -> Sinks:
    """All that a running product leaves behind: files, rows, processes, log."""
    for name, data in files("data", keydeck.data_dir):
        if not name.startswith("data/static/"):  # the repository's own, there before any secret
            yield name, data
    yield from tables("database", keydeck.data_dir / "keydeck.sqlite3")
    yield from processes(keydeck)
    yield "log", keydeck.log.read_bytes()


@contextmanager
def waiting_messages(keydeck: Keydeck) -> Iterator[list[bytes]]:
    """The broker's messages while the worker stands still: some of each kind of task."""
    worker, queue = keydeck.pids()["worker"], keydeck.data_dir / "broker" / "queue"
    os.kill(worker, signal.SIGSTOP)
    try:
        wait_for(
            lambda: len(list(queue.glob("[!.]*.msg"))) >= 3, PATIENCE, "messages in the broker"
        )
        time.sleep(0.2)
        yield [path.read_bytes() for path in queue.glob("[!.]*.msg")]
    finally:
        os.kill(worker, signal.SIGCONT)
