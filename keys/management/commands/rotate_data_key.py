"""manage.py rotate_data_key SLUG: a new data key, and every secret sealed anew under it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from keys import lifecycle, vault
from keys.audit import Actor
from keys.models import Application
from keys.telling import counted


class Command(BaseCommand):
    help = "Gives an application a new data key. Stopped midway, it is taken up where it was."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("application", help="the application's slug")

    def handle(self, *, application: str, **options: Any) -> None:
        found = Application.objects.filter(slug=application).first()
        if found is None:
            raise CommandError(f"there is no application {application}")
        actor = Actor.system("rotate_data_key")
        try:
            if found not in lifecycle.open_data_key_rotations():
                lifecycle.start_data_key_rotation(actor, found)
            total = lifecycle.left_to_reseal(found)
            with tqdm(total=total, unit="secret", disable=None) as bar:
                for moved in lifecycle.reseal(actor, found):
                    bar.update(moved)
        except (vault.VaultError, lifecycle.LifecycleError) as error:
            raise CommandError(str(error)) from error
        version, left = vault.newest_version(found.pk), lifecycle.left_to_reseal(found)
        if left:
            raise CommandError(
                f"{left:,} of {counted(total, 'secret')} do not open and stay under the old "
                "data key: manage.py doctor names them"
            )
        self.stdout.write(
            f"{counted(total, 'secret')} of {found.slug} sealed anew under data key {version}. "
            "The old one is destroyed by itself in a few minutes."
        )
