"""manage.py doctor: does every secret open, and is it the one the audit trail names?"""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from keys import doctor, vault


class Command(BaseCommand):
    help = "Opens every secret of the vault and holds it against the audit trail. Shows none."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = doctor.examine_and_note()
        except vault.VaultError as error:
            raise CommandError(str(error)) from error
        for found in report.findings:
            self.stdout.write(
                f"{found.key} “{found.name}”: version {found.version} {doctor.WORDS[found.code]}"
            )
        if report.findings:
            raise CommandError(
                f"{len(report.findings)} findings, {report.opened} secrets in order. Where one "
                "does not open: load the master key it was sealed under, or rotate the key"
            )
        self.stdout.write(f"{report.opened} secrets open, each the one the audit trail names.")
