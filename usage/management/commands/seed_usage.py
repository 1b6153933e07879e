"""manage.py seed_usage: made-up usage of any size, to look at and to measure on."""

import random
from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from tqdm import tqdm

from keys.audit import Actor
from keys.lifecycle import LifecycleError, VaultError
from keys.telling import counted, moment, read_moment
from usage import seeding


class Command(BaseCommand):
    help = "Fills an installation that nobody uses with believable usage of new applications."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--calls", type=_whole, default=10_000_000)
        parser.add_argument("--days", type=_whole, default=30)
        parser.add_argument("--keys", type=_whole, default=200, help="app keys")
        parser.add_argument("--seed", type=int, default=1, help="the same makes the same calls")
        parser.add_argument("--until", help="ISO 8601; now, unless it is given")
        parser.add_argument(
            "--into-live", action="store_true", help="also beside what is really here"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if seeding.seeded():
            raise CommandError("There are seeded applications already: delete those first.")
        if not options["into_live"] and (found := seeding.real()):
            raise CommandError(f"This installation has {found}: --into-live seeds beside them.")
        try:
            until = read_moment(options["until"]) if options["until"] else timezone.now()
        except ValueError as error:
            raise CommandError(f"--until: {error}") from error
        since = until - timedelta(days=options["days"])
        luck = random.Random(options["seed"])  # noqa: S311 - a story
        try:
            cast = seeding.make_cast(
                Actor.system("seed_usage"),
                keys=options["keys"],
                since=since,
                until=until,
                luck=luck,
            )
        except (LifecycleError, VaultError) as error:
            raise CommandError(str(error)) from error
        with tqdm(total=options["calls"], unit=" calls", disable=None) as bar:
            stored = seeding.seed(cast, calls=options["calls"], luck=luck, told=bar.update)
        self.stdout.write(
            f"Seeded {counted(stored, 'call')} of {counted(len(cast.parts), 'app key')}, "
            f"{moment(since)} to {moment(until)}."
        )


def _whole(text: str) -> int:
    number = int(text.replace("_", ""))
    if number < 1:
        raise ArgumentTypeError("must be at least 1")
    return number
