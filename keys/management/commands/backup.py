"""`backup FILE`: a consistent copy of the database."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from keys import backup


class Command(BaseCommand):
    help = "Writes a consistent copy of the database, without the master key, to FILE."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *, file: Path, **options: Any) -> None:
        try:
            size = backup.save(file)
        except backup.BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"{file}: {size:,} bytes. Not in it, on purpose: the master key and SECRET_KEY. "
            "Keep them elsewhere; without the master key no secret in this copy opens."
        )
