"""Makes sure of the demo application and its traffic; `manage.py up` runs it."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from usage import demo_state


class Command(BaseCommand):
    help = "Makes the demo application on the sandbox provider, with a day of traffic, once."
    requires_system_checks = ()

    def handle(self, **options: Any) -> None:
        if not demo_state.is_settled():
            call_command("demo_fill")
