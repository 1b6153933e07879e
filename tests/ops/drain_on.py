"""`python -m tests.ops.drain_on`: a process that does nothing but drain what dead writers left."""

import os
import time

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.db import Error, connection  # noqa: E402

from usage.ingest import drain_dead  # noqa: E402


def main() -> None:
    while True:
        try:
            drain_dead()
        except Error:
            connection.close()  # the database is away; the next round tries again
        time.sleep(0.05)


if __name__ == "__main__":
    main()
