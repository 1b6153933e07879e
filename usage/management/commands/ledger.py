"""manage.py ledger: every accepted call, and what became of it."""

from dataclasses import asdict
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandParser

from usage import stats

COLUMNS = ("accepted", "stored", "duplicates", "quarantined", "broken", "lost", "late", "pending")


class Command(BaseCommand):
    help = "Shows what every process accepted, stored, lost and has still to store."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        ledger = stats.ledger()
        if options["json"]:
            self.stdout.write(orjson.dumps(asdict(ledger), option=orjson.OPT_INDENT_2).decode())
            return
        width = max([len("all writers"), *(len(writer.id) for writer in ledger.writers)])
        self.stdout.write(" ".join([f"{'writer':{width}}", *(f"{c:>11}" for c in COLUMNS), "lag"]))
        self._line("all writers", ledger, width)
        for writer in ledger.writers:
            self._line(writer.id, writer, width)

    def _line(self, name: str, one: stats.Ledger | stats.Writer, width: int) -> None:
        counts = " ".join(f"{getattr(one, column):>11}" for column in COLUMNS)
        self.stdout.write(f"{name:{width}} {counts} {one.lag_seconds:.1f} s")
