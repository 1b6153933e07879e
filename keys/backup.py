"""A consistent copy of the database, and back. Never the master key: the copy stays sealed.
Nor the sessions: whoever is signed in now is not when the copy is taken back.

SQLite copies itself online; PostgreSQL's own pg_dump and pg_restore do it there.
"""

import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.models import Model

from keys import changes
from keys.models import Application, ChangeCounter

_SQLITE = b"SQLite format 3\0"
_POSTGRES = b"PGDMP"
_SESSIONS = Session._meta.db_table
_MEANWHILE = 1000  # more changes than are counted while a copy is put in the database's place


class BackupError(Exception):
    """The copy can't be made or taken back; the message is one clear line."""


def save(path: Path) -> int:
    """Writes the database to a new file (mode 600); returns its size in bytes."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise BackupError(f"cannot write {path}: {error.strerror}") from error
    try:
        if connection.vendor == "sqlite":
            with closing(sqlite3.connect(path)) as target:
                _sqlite().backup(target)
                target.execute("PRAGMA secure_delete = ON")  # overwritten, not only unlinked
                target.execute(f"DELETE FROM {_SESSIONS}")  # noqa: S608 - a name of ours
                target.commit()
        else:
            without = f"--exclude-table-data={_SESSIONS}"
            _run("pg_dump", "--format=custom", "--no-owner", without, f"--file={path}")
    except BaseException:
        path.unlink(missing_ok=True)  # no file is better than half a copy
        raise
    return path.stat().st_size


def load(path: Path, *, replace: bool) -> None:
    """Puts a copy in the database's place. Nothing is touched unless the copy fits.

    Raises BackupError for another engine's copy, one of a newer Keydeck, and for a database
    that already holds applications unless `replace`.
    """
    try:
        with path.open("rb") as file:
            head = file.read(16)
    except OSError as error:
        raise BackupError(f"cannot read {path}: {error.strerror}") from error
    expected = _SQLITE if connection.vendor == "sqlite" else _POSTGRES
    if not head.startswith(expected):
        raise BackupError(f"{path} is not a copy of a {connection.display_name} database")
    if not replace and _holds_applications():
        raise BackupError("this database holds applications already: add --yes to replace it")
    seen = _counted()
    if connection.vendor == "sqlite":
        _load_sqlite(path)
    else:
        _load_postgres(path)
    connection.close()
    with transaction.atomic():
        changes.overtake(seen + _MEANWHILE)  # processes that run look again


def _load_sqlite(path: Path) -> None:
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source:
        try:
            applied = set(source.execute("SELECT app, name FROM django_migrations"))
        except sqlite3.DatabaseError as error:
            raise BackupError(f"{path} is not a copy of Keydeck's database") from error
        _check_age(path, applied)
        source.backup(_sqlite())


def _load_postgres(path: Path) -> None:
    table = _run("pg_restore", "--data-only", "--table=django_migrations", "--file=-", str(path))
    rows = [line.split("\t") for line in table.splitlines() if line.count("\t") == 3]
    _check_age(path, {(app, name) for _, app, name, _ in rows})
    names = ("--clean", "--if-exists", "--no-owner", "--single-transaction")
    _run("pg_restore", *names, f"--dbname={connection.settings_dict['NAME']}", str(path))


def _check_age(path: Path, applied: set[tuple[str, str]]) -> None:
    known = set(MigrationLoader(None).disk_migrations or ())
    if newer := sorted(applied - known):
        app, name = newer[0]
        raise BackupError(f"{path} is of a newer Keydeck: it knows {app}.{name}")


def _sqlite() -> sqlite3.Connection:
    connection.ensure_connection()
    raw: sqlite3.Connection = connection.connection
    return raw


def _holds_applications() -> bool:
    return _has_table(Application) and Application.objects.exists()


def _counted() -> int:
    """What processes that run have seen of the change counter at most, so far."""
    return changes.current() if _has_table(ChangeCounter) else 0


def _has_table(model: type[Model]) -> bool:
    return model._meta.db_table in connection.introspection.table_names()


def _run(program: str, *words: str) -> str:
    """Runs one of PostgreSQL's programs on the database of the settings; returns its output."""
    given = connection.settings_dict
    variables = {
        "PGDATABASE": given["NAME"],
        "PGHOST": given["HOST"],
        "PGPORT": str(given["PORT"]),
        "PGUSER": given["USER"],
        "PGPASSWORD": given["PASSWORD"],
    }
    environment = os.environ | {name: value for name, value in variables.items() if value}
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, words of ours
            [program, *words], env=environment, check=True, capture_output=True, text=True
        )
    except FileNotFoundError as error:
        raise BackupError(f"{program} is not installed (package postgresql-client)") from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise BackupError(f"{program} failed: {said}") from error
    return done.stdout
