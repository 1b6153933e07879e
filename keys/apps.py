"""The app that owns keys: applications, members, vault, lifecycle, providers, checks."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class KeysConfig(AppConfig):
    name = "keys"

    def ready(self) -> None:
        from keys import audit, signins  # their models can't be imported earlier

        post_migrate.connect(audit.begin_chain, sender=self)
        signins.connect()
