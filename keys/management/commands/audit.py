"""manage.py audit verify | anchor | export: the trail walked, anchored, written to a file."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from keys import audit
from keys.models import AuditEvent


class Command(BaseCommand):
    help = "Verifies the audit chain, makes an anchor to keep elsewhere, or exports the events."

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        verify = acts.add_parser("verify", help="walk the chain")
        verify.add_argument("--anchor", type=Path, help="a file that `audit anchor` wrote")
        acts.add_parser("anchor", help="print how far the chain has come; keep it elsewhere")
        export = acts.add_parser("export", help="all events, oldest first, to stdout")
        export.add_argument("--format", choices=sorted(audit.FORMATS), default="jsonl")

    def handle(self, *, act: str, **options: Any) -> None:
        try:
            if act == "verify":
                self._verify(options["anchor"])
            elif act == "anchor":
                self.stdout.write(audit.anchor().as_json())
            else:
                for line in audit.export(AuditEvent.objects.all(), options["format"]):
                    self.stdout.write(line, ending="")
        except (OSError, ValueError) as error:
            raise CommandError(str(error)) from error

    def _verify(self, file: Path | None) -> None:
        anchored = audit.read_anchor(file.read_text()) if file else None
        found = audit.verify(anchored)
        if not found.ok:
            where = f"event {found.broken_at}" if found.broken_at else "its head or its anchor"
            raise CommandError(
                f"the chain is broken at {where}: an event was changed, removed or added"
            )
        held = f", and holds the anchor of {anchored.at}" if anchored else ""
        self.stdout.write(f"The chain is whole: all {found.events} events fit{held}.")
