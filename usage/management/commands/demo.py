"""Makes the demo application and its traffic, once."""

from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Makes the demo application and its traffic, once."

    def handle(self, **options: Any) -> None:
        pass
