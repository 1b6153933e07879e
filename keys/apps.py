"""The app that owns keys: applications, members, vault, lifecycle, providers, checks."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class KeysConfig(AppConfig):
    name = "keys"

    def ready(self) -> None:
        # Their models can't be imported earlier; the checks register themselves.
        from keys import audit, form_words, system_checks  # noqa: F401
        from keys.sign_in import presence

        form_words.put()
        post_migrate.connect(audit.begin_chain, sender=self)
        presence.connect()
