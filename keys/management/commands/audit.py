"""manage.py audit verify | anchor | export | archive: the trail walked, kept, and shortened."""

from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from keys import audit
from keys.models import AuditEvent
from keys.telling import counted, moment, read_moment


class Command(BaseCommand):
    help = "Verifies the audit chain, makes an anchor to keep elsewhere, or exports the events."

    def add_arguments(self, parser: CommandParser) -> None:
        acts = parser.add_subparsers(dest="act", required=True)
        verify = acts.add_parser("verify", help="walk the chain")
        verify.add_argument("--anchor", type=Path, help="a file that `audit anchor` wrote")
        acts.add_parser("anchor", help="print how far the chain has come; keep it elsewhere")
        verify.add_argument(
            "--archive",
            type=Path,
            nargs="+",
            default=[],
            help="files that `audit archive` wrote, as far back as you have them",
        )
        archive = acts.add_parser("archive", help="move the oldest events into a signed file")
        archive.add_argument(
            "--before",
            required=True,
            help="a day or moment of UTC: 2026-01-31[T12:00]",
        )
        archive.add_argument("--out", type=Path, required=True, help="a new file")
        export = acts.add_parser("export", help="all events, oldest first, to stdout")
        export.add_argument("--format", choices=sorted(audit.FORMATS), default="jsonl")

    def handle(self, *, act: str, **options: Any) -> None:
        try:
            if act == "verify":
                self._verify(options["anchor"], options["archive"])
            elif act == "archive":
                self._archive(read_moment(options["before"]), options["out"])
            elif act == "anchor":
                self.stdout.write(audit.anchor().as_json())
            else:
                for line in audit.export(AuditEvent.objects.all(), options["format"]):
                    self.stdout.write(line, ending="")
        except (OSError, ValueError) as error:
            raise CommandError(str(error)) from error

    def _archive(self, before: datetime, out: Path) -> None:
        made = audit.archive(audit.Actor.system("audit archive"), before, out)
        self.stdout.write(
            f"{counted(made.events, 'event')} from before {moment(before)} moved to {out}. "
            "Keep it: only with it can they be read, and be verified by "
            "`manage.py audit verify --archive`."
        )

    def _verify(self, file: Path | None, files: list[Path]) -> None:
        archives = [audit.read_archive(one) for one in files]
        audit.join(archives)
        anchored = audit.read_anchor(file.read_text()) if file else None
        found = audit.verify(anchored)
        if not found.ok:
            where = f"event {found.broken_at}" if found.broken_at else "its head or its anchor"
            raise CommandError(
                f"the chain is broken at {where}: an event was changed, removed or added"
            )
        held = f", and holds the anchor of {moment(anchored.at)}" if anchored else ""
        kept = sum(one.events for one in archives)
        more = f" {kept:,} of them in the archives." if archives else ""
        all_of = "the 1 event fits" if found.events == 1 else f"all {found.events:,} events fit"
        self.stdout.write(f"The chain is whole: {all_of}{held}.{more}")
