"""`restore FILE`: puts a copy made by `backup` in the database's place."""

import os
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from keys import audit, backup, vault


class Command(BaseCommand):
    help = "Replaces the database by the copy in FILE. Stop Keydeck first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--yes", action="store_true", help="replace a database in use")

    def handle(self, *, file: Path, yes: bool, **options: Any) -> None:
        os.umask(0o077)  # a database made now is nobody else's
        try:
            backup.load(file, replace=yes)
        except backup.BackupError as error:
            raise CommandError(str(error)) from error
        call_command("migrate", verbosity=0, interactive=False)
        self.stdout.write(f"The database is now what {file} holds.")
        if vault.is_sealed():
            self.stderr.write("Its master key is not here: put it back, or it stays sealed.")
        if not audit.is_ours():
            self.stderr.write(
                "Its SECRET_KEY is not here: put it (or secret.key) back before you start. "
                "Without it second factors don't open and the audit trail never verifies again."
            )
