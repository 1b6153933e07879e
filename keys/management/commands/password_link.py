"""A way in for somebody who can't sign in and gets no mail: a link to choose a password."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from keys.models import User
from keys.sign_in import invitations


class Command(BaseCommand):
    help = "Prints a link with which this person chooses a new password, for three days."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    def handle(self, *, email: str, **options: Any) -> None:
        user = User.objects.filter(email=email.lower(), is_active=True).first()
        if user is None:
            raise CommandError(f"nobody active is called {email}")
        self.stderr.write(f"for {user.email}, once, within three days:")
        self.stdout.write(invitations.link_by_command(user))
