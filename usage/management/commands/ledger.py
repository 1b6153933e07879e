"""manage.py ledger: every accepted call, what became of it, and what is wrong with that."""

from dataclasses import asdict, replace
from datetime import date
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.forms.models import model_to_dict

from keys.audit import Actor
from keys.telling import counted, whole_day
from usage import comparing, stats
from usage.models import Comparison

COLUMNS = ("accepted", "stored", "duplicates", "quarantined", "broken", "lost", "late", "pending")


class Command(BaseCommand):
    help = "Shows what every process accepted, stored, lost and has still to store. Fails for lost."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object")
        parser.add_argument(
            "--acknowledge",
            type=date.fromisoformat,
            metavar="YYYY-MM-DD",
            help="tell no more of the differences found in this day's counts",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["acknowledge"]:
            self._acknowledge(options["acknowledge"])
            return
        ledger = stats.ledger()
        found = stats.troubles(ledger)
        if options["json"]:
            told = asdict(replace(ledger, compared=None))
            told["troubles"] = [asdict(trouble) for trouble in found]
            if ledger.compared:
                told["compared"] = model_to_dict(ledger.compared)
            self.stdout.write(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode())
        else:
            self._table(ledger, found)
        if ledger.lost > 0:
            raise CommandError(f"{counted(ledger.lost, 'accepted call')} got lost")

    def _acknowledge(self, day: date) -> None:
        if not comparing.acknowledge(Actor.system("ledger"), day):
            raise CommandError(
                f"no differences of {whole_day(day)} are told: nothing to acknowledge"
            )
        self.stdout.write(f"The differences of {whole_day(day)} are acknowledged and told no more.")

    def _table(self, ledger: stats.Ledger, found: list[stats.Trouble]) -> None:
        for trouble in found:
            cause = f"  Likely cause: {trouble.cause}\n" if trouble.cause else ""
            self.stdout.write(f"{trouble.text}\n{cause}  {trouble.remedy}\n")
        width = max([len("all writers"), *(len(writer.id) for writer in ledger.writers)])
        self.stdout.write(" ".join([f"{'writer':{width}}", *(f"{c:>11}" for c in COLUMNS), "lag"]))
        self._line("all writers", ledger, width)
        for writer in ledger.writers:
            self._line(writer.id, writer, width)
        self._compared(ledger.compared)

    def _compared(self, found: Comparison | None) -> None:
        if found is None:
            self.stdout.write("No day's counts were compared with its calls yet.")
            return
        told = f"{counted(found.differences, 'difference')}, the first: {found.first}"
        self.stdout.write(
            f"Counts of {whole_day(found.day)} compared with its {counted(found.calls, 'call')}: "
            f"{told if found.differences else 'identical'}."
        )

    def _line(self, name: str, one: stats.Ledger | stats.Writer, width: int) -> None:
        counts = " ".join(f"{getattr(one, column):>11}" for column in COLUMNS)
        self.stdout.write(f"{name:{width}} {counts} {one.lag_seconds:.1f} s")
