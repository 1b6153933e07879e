"""manage.py rewrap: every data key under the primary master key, while everything runs."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from keys import lifecycle, vault
from keys.audit import Actor
from keys.telling import counted


class Command(BaseCommand):
    help = "Wraps all data keys with the primary master key. Can be stopped and run again."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            total = vault.waiting_for_rewrap()
            acts = lifecycle.rewrap(Actor.system("rewrap"))
            bar = tqdm(acts, total=total, unit="data key", disable=None)
            failures = [str(error) for error in bar if error is not None]
        except vault.VaultError as error:
            raise CommandError(str(error)) from error
        if failures:
            raise CommandError(
                f"{len(failures):,} of {counted(total, 'data key')} could not be wrapped anew; "
                f"the first: {failures[0]}"
            )
        self.stdout.write(f"{counted(total, 'data key')} wrapped with the primary master key.")
