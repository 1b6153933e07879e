"""`issue_token EMAIL --name N`: a personal API token for REST, alone on stdout."""

import re
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from keys import lifecycle
from keys.audit import Actor
from keys.models import User
from keys.telling import moment, read_moment

SCOPES = ("read", "manage", "secrets")


class Command(BaseCommand):
    help = "Makes a personal API token for REST and prints it alone on stdout."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="whose token")
        parser.add_argument("--name", required=True, help="what it is for, e.g. nightly-deploy")
        parser.add_argument(
            "--scope",
            action="append",
            choices=SCOPES,
            help="what it may do; repeat for several (default: everything its user may)",
        )
        parser.add_argument("--expires", metavar="WHEN", help="2027-01-01 (UTC), or 90d from now")

    def handle(self, *args: Any, **options: Any) -> None:
        email = options["email"].strip().lower()
        try:
            user = User.objects.filter(email=email, is_active=True).first()
        except DatabaseError as error:
            reason = str(error).strip().splitlines()[0]
            raise CommandError(f"the database can't be used ({reason}): run `make up`") from error
        if user is None:
            raise CommandError(f"no active user with the e-mail address {email}")
        scopes = tuple(scope for scope in SCOPES if scope in (options["scope"] or SCOPES))
        expires_at = expiry(options["expires"]) if options["expires"] else None
        try:
            token = lifecycle.issue_token(
                Actor.system("issue_token"),
                user,
                name=options["name"],
                scopes=scopes,
                expires_at=expires_at,
            )
        except lifecycle.LifecycleError as error:
            raise CommandError(error.message) from error
        until = f"until {moment(expires_at)}" if expires_at else "without an end"
        self.stderr.write(
            f"Token “{options['name']}” of {email}: {', '.join(scopes)}, {until}. "
            "It is shown this once.",
            self.style.SUCCESS,
        )
        self.stdout.write(token)


def expiry(text: str) -> datetime:
    """A date or time (UTC unless it names its zone), or a number of days from now."""
    days = re.fullmatch(r"([1-9]\d{0,3})d", text)
    if days:
        return timezone.now() + timedelta(days=int(days[1]))
    try:
        when = read_moment(text)
    except ValueError as error:
        raise CommandError(
            f"--expires {text}: neither a date (2027-01-01) nor a number of days (90d)"
        ) from error
    if when <= timezone.now():
        raise CommandError(f"--expires {text}: in the past")
    return when
