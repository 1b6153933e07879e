"""manage.py rebuild_rollups: count days again from raw calls, or only say what differs."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from keys.telling import counted
from usage import rollups
from usage.periods import Step, floor


class Command(BaseCommand):
    help = "Counts whole days (UTC) again from the calls that are kept. Default: today."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", type=_day, help="first day, YYYY-MM-DD")
        parser.add_argument("--until", type=_day, help="last day, YYYY-MM-DD")
        parser.add_argument("--check", action="store_true", help="change nothing, say differences")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        since = options["since"] or floor(now, Step.DAY)
        until = (options["until"] or floor(now, Step.DAY)) + Step.DAY.length
        try:
            if options["check"]:
                self._check(since, until, now)
            else:
                calls = rollups.rebuild(since, until, now)
                self.stdout.write(f"Counted {counted(calls, 'call')} again.")
        except rollups.NotKept as error:
            raise CommandError(str(error)) from error

    def _check(self, since: datetime, until: datetime, now: datetime) -> None:
        differences = 0
        for difference in rollups.compare(since, until, now):
            differences += 1
            self.stdout.write(
                f"{difference.table} {difference.key}: "
                f"stored {difference.stored}, raw {difference.raw}"
            )
        if differences:
            raise CommandError(
                f"{counted(differences, 'count')} differ{'s' if differences == 1 else ''} "
                "from the raw calls."
            )
        self.stdout.write("Every count equals what the raw calls add up to.")


def _day(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
