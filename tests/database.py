"""The tests' database: migrated once in a run, and copied for each of its workers."""

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connection


@contextmanager
def database(shared: Path | None, finish: Callable[[], None]) -> Iterator[None]:
    """This process's database, the connection's between `with`.

    `shared`: a folder of all workers of this run, None where it has but one process. `finish`
    does what comes behind the migrations.
    """
    creation, before = connection.creation, connection.settings_dict["NAME"]
    name = creation._get_test_db_name()
    template = _Template(shared) if shared else None
    with template.locked() if template else _nothing():
        if template and template.exists():
            template.copy(name)
            settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name
            is_first = False
        else:
            creation.create_test_db(verbosity=0, autoclobber=True)
            finish()
            is_first = True
            if template:
                template.make(name)
    yield
    connection.close()
    creation.destroy_test_db(before, verbosity=0)
    if template and is_first:
        with template.locked():
            template.remove()


@contextmanager
def _nothing() -> Iterator[None]:
    yield


class _Template:
    """A migrated database that nobody uses: SQLite's file, or one of PostgreSQL's, of which a
    file says that it is whole."""

    def __init__(self, shared: Path) -> None:
        self._file, self._lock = shared / "migrated", shared / "migrated.lock"
        self._name = f"test_{hashlib.sha256(str(shared).encode()).hexdigest()[:16]}"
        self._is_file = connection.vendor == "sqlite"

    @contextmanager
    def locked(self) -> Iterator[None]:
        with self._lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def exists(self) -> bool:
        return self._file.exists()

    def make(self, source: str) -> None:
        connection.close()  # PostgreSQL copies what nobody is connected to; SQLite's file is whole
        if self._is_file:
            shutil.copyfile(source, self._file)
        else:
            self._in_postgres(f"DROP DATABASE IF EXISTS {self._name}")
            self._in_postgres(f"CREATE DATABASE {self._name} TEMPLATE {source}")
            self._file.touch()

    def copy(self, name: str) -> None:
        connection.close()
        if self._is_file:
            shutil.copyfile(self._file, name)
        else:
            self._in_postgres(f"DROP DATABASE IF EXISTS {name}")
            self._in_postgres(f"CREATE DATABASE {name} TEMPLATE {self._name}")

    def remove(self) -> None:
        """Whoever begins later migrates a database of its own."""
        self._file.unlink()
        if not self._is_file:
            self._in_postgres(f"DROP DATABASE {self._name}")

    def _in_postgres(self, sql: str) -> None:
        with connection._nodb_cursor() as cursor:
            cursor.execute(sql)
