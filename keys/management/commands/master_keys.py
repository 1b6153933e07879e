"""manage.py master_keys: which there are; a new primary; the old ones retired."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from keys import doctor, lifecycle, vault
from keys.audit import Actor
from keys.telling import counted


class Command(BaseCommand):
    help = (
        "Lists the master keys and what each wraps. To replace one while everything runs: "
        "master_keys --add, then rewrap, then master_keys --retire."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        act = parser.add_mutually_exclusive_group()
        act.add_argument(
            "--add", action="store_true", help="make a new primary in the key file; the others stay"
        )
        act.add_argument(
            "--retire", action="store_true", help="take those out of the file that wrap nothing"
        )

    def handle(self, *, add: bool, retire: bool, **options: Any) -> None:
        actor = Actor.system("master_keys")
        try:
            if add:
                made = lifecycle.add_master_key(actor)
                self.stdout.write(
                    f"{made} is the primary master key now. Copy the key file to where you keep "
                    "it, then run: manage.py rewrap"
                )
            elif retire:
                self._retire(actor)
            else:
                self._list()
        except vault.VaultError as error:
            raise CommandError(str(error)) from error

    def _retire(self, actor: Actor) -> None:
        retired = lifecycle.retire_master_keys(actor)
        for fingerprint in retired:
            self.stdout.write(f"{fingerprint} is retired.")
        if retired:
            self.stdout.write(
                "Backups made before the rewrap still need it: keep a copy as long as you keep "
                "them, or make a new backup and destroy both."
            )
        elif waiting := vault.waiting_for_rewrap():
            raise CommandError(
                f"{counted(waiting, 'data key')} {'waits' if waiting == 1 else 'wait'} to be "
                "wrapped anew: manage.py rewrap"
            )
        else:
            self.stdout.write("There is one master key, and it is in use: nothing to retire.")

    def _list(self) -> None:
        for master in doctor.master_keys():
            self.stdout.write(
                f"{master.fingerprint}  {counted(master.data_keys, 'data key'):>16}  {master.role}"
            )
