"""The positive control: every canary put on purpose into a real sink of each kind, disguised in
ways written without the search's own, and read back as the sweep reads that sink."""

import base64
import gzip
import html
import json
import logging
import pickle
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote_from_bytes, urlencode

from django.core import signing
from django.core.cache.backends.filebased import FileBasedCache
from django.http import JsonResponse
from django.template import Context, Engine
from kombu.utils.json import dumps

from tests.e2e.canary import sinks
from tests.e2e.canary.canaries import Canary
from tests.ledger.conftest import make_event
from usage.spool import Spool

# What is planted: one text, or bytes, that carries the secret somewhere inside.
TEXTS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda secret: b"key=" + secret,
    "first 16": lambda secret: b"cut " + secret[:16],
    "last 16": lambda secret: b"\xc2\xa6".join([b"cut", secret[-16:]]),
    "middle": lambda secret: b"cut:" + secret[4:20] + b"!",
    "Basic": lambda secret: base64.b64encode(b"user:" + secret),
    "Basic, user": lambda secret: base64.b64encode(secret + b":"),
    "base64 in a word": lambda secret: b"x" + base64.urlsafe_b64encode(b"kdk:" + secret),
    "hex": lambda secret: secret.hex().encode(),
    "hex dump": lambda secret: b"0x" + secret.hex().upper().encode(),
    "percent": lambda secret: b"?q=" + quote_from_bytes(secret, safe="").encode(),
    "all percent": lambda secret: b"".join(b"%%%02x" % byte for byte in secret),
    "reversed": lambda secret: secret[::-1],
}
BINARIES: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda secret: gzip.compress(b"log line: " + secret),
    "deflate": lambda secret: b"\0\0" + zlib.compress(b"row " + secret, 9),
    "deflate twice": lambda secret: zlib.compress(gzip.compress(secret * 2)),
    "pickle": lambda secret: pickle.dumps({"key": secret}),
}
OF_WORDS: dict[str, Callable[[str], str]] = {
    "JSON": lambda secret: json.dumps({"key": secret}),
    "JSON in JSON": lambda secret: json.dumps({"body": json.dumps({"key": secret})}),
    "page": lambda secret: html.escape(f"<input value={secret}>"),
    "Python": lambda secret: repr({"key": secret}),
    "form": lambda secret: urlencode({"key": secret}),
    "escapes": lambda secret: "".join(f"\\u{ord(char):04x}" for char in secret),
}

Planted = dict[str, dict[str, bytes]]  # disguise -> canary -> what is planted


def disguised(canaries: list[Canary], *, binary: bool) -> Planted:
    """Every canary in every disguise that it has; those of text alone unless `binary`."""
    ways: Planted = {}
    for canary in canaries:
        made = {name: way(canary.secret) for name, way in TEXTS.items()}
        if binary:
            made |= {name: way(canary.secret) for name, way in BINARIES.items()}
        if canary.secret.isascii() and canary.secret.decode().isprintable():
            words = canary.secret.decode()
            made |= {name: way(words).encode() for name, way in OF_WORDS.items()}
        for name, data in made.items():
            if binary or data.isascii():
                ways.setdefault(name, {})[canary.name] = data
    return ways


def in_rows(folder: Path, planted: Planted) -> sinks.Sinks:
    """A temporary row each, dumped as tables are."""
    path = folder / "rows.sqlite3"
    with closing(sqlite3.connect(path)) as database, database:
        _fill(database, planted)
    yield from sinks.tables("", path)


def in_database_files(folder: Path, planted: Planted) -> sinks.Sinks:
    """The same, read as the bytes of database files and of a WAL not written back yet."""
    for name, data in planted.items():
        path = folder / f"{name}.sqlite3"
        with closing(sqlite3.connect(path)) as database:
            database.execute(f"PRAGMA journal_mode = {'WAL' if len(name) % 2 else 'DELETE'}")
            with database:
                _fill(database, {name: data})
            yield name, b"".join(content for _, content in sinks.files("", folder))
            # Deleted rows stay in the file's free pages.
            with database:
                database.execute(f'DELETE FROM "{name}"')  # noqa: S608 - names from above
            yield name, b"".join(content for _, content in sinks.files("", folder))
        for left in folder.iterdir():
            left.unlink()


def _fill(database: sqlite3.Connection, planted: Planted) -> None:
    for name, data in planted.items():
        database.execute(f'CREATE TABLE "{name}" (value)')
        database.executemany(f'INSERT INTO "{name}" VALUES (?)', [(v,) for v in data.values()])  # noqa: S608


def in_sessions(folder: Path, planted: Planted) -> sinks.Sinks:
    """Session rows as Django writes them: signed, in base64, packed."""
    rows = {
        name: {
            canary: signing.dumps({"text": "spare " * 20 + text.decode()}, compress=True).encode()
            for canary, text in data.items()
        }
        for name, data in planted.items()
    }
    yield from in_rows(folder, rows)


def in_log(folder: Path, planted: Planted) -> sinks.Sinks:
    """Lines of a log whose formatter masks nothing."""
    for name, data in planted.items():
        handler = logging.FileHandler(folder / name)
        for text in data.values():
            record = logging.makeLogRecord({"msg": "call failed: %s", "args": (text.decode(),)})
            handler.handle(record)
        handler.close()
    yield from by_file(folder)


def in_spool(folder: Path, planted: Planted) -> sinks.Sinks:
    """Events in a real spool, in the one field that carries a caller's own words."""
    for name, data in planted.items():
        own = Spool(folder / name)
        for text in data.values():
            own.begin(make_event(user_agent=text.decode()))
        own.close()
    yield from by_file(folder)


def in_broker(folder: Path, planted: Planted) -> sinks.Sinks:
    """Messages whose task has arguments, as the broker of files writes them."""
    for name, data in planted.items():
        (folder / name).mkdir()
        for number, text in enumerate(data.values()):
            arguments = dumps([[text.decode()], {}, {}]).encode()
            body = base64.b64encode(arguments).decode()
            message = {"body": body, "properties": {"body_encoding": "base64"}}
            (folder / name / f"{number}.keydeck.msg").write_text(dumps(message))
    yield from by_file(folder)


def in_packed_files(folder: Path, planted: Planted) -> sinks.Sinks:
    """Entries of Django's cache of files, pickled and packed."""
    for name, data in planted.items():
        cache = FileBasedCache(str(folder / name), {})
        cache.set("all", list(data.values()))
    yield from by_file(folder)


def in_pages(folder: Path, planted: Planted) -> sinks.Sinks:
    """Pages that escape what they show, and answers of REST."""
    template = Engine().from_string("{% for text in texts %}<p title='{{ text }}'>{% endfor %}")
    for name, data in planted.items():
        texts = [text.decode() for text in data.values()]
        yield name, template.render(Context({"texts": texts})).encode()
        yield name, JsonResponse({"items": texts}).content


def in_processes(folder: Path, planted: Planted) -> sinks.Sinks:
    """Variables and arguments of a running process."""
    joined = {name: b" ".join(data.values()).decode() for name, data in planted.items()}
    code = [sys.executable, "-Ic", "print(flush=True); input()"]
    for arguments, variables in (([], joined), (list(joined.values()), {})):
        with subprocess.Popen(
            [*code, *arguments], env=variables, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as child:
            assert child.stdout
            child.stdout.readline()  # it runs, and is no longer a copy of this process
            found = dict(sinks.process("child", child.pid))
            for text in found["process child environ"].split(b"\0"):
                name, _, value = text.decode().partition("=")
                if name in planted:
                    yield name, value.encode()
            words = found["process child cmdline"].split(b"\0")[len(code) :]
            yield from zip(planted, words if arguments else [], strict=False)
            child.communicate(b"\n")


def by_file(folder: Path) -> sinks.Sinks:
    for path, data in sinks.files("", folder):
        yield path.split("/")[1], data


KINDS: dict[str, tuple[Callable[[Path, Planted], sinks.Sinks], bool]] = {
    "rows": (in_rows, True),
    "database files": (in_database_files, True),
    "sessions": (in_sessions, False),
    "log": (in_log, False),
    "spool": (in_spool, False),
    "broker": (in_broker, False),
    "packed files": (in_packed_files, True),
    "pages": (in_pages, False),
    "processes": (in_processes, False),
}
