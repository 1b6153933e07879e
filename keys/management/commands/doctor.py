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
            counted = _counted(len(report.findings), "finding")
            told = f"{counted}, {_counted(report.opened, 'secret')} in order."
            codes = (finding.code for finding in report.findings)
            raise CommandError(" ".join([told, *doctor.remedies(codes)]))
        self.stdout.write(
            "1 secret opens, the one the audit trail names."
            if report.opened == 1
            else f"{report.opened} secrets open, each the one the audit trail names."
        )


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
