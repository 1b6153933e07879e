"""The app that owns calls: gateway, wrapper, spool, ledger, rollups, charts, alerts."""

from django.apps import AppConfig
from django.db.models.signals import post_delete, post_migrate
from django.utils import timezone


class UsageConfig(AppConfig):
    name = "usage"

    def ready(self) -> None:
        # Their models can't be imported earlier.
        from keys.models import Application
        from usage import erasing
        from usage.alerts import defaults

        def deleted(instance: Application, **_: object) -> None:
            erasing.begin(instance.pk, instance.name, timezone.now())

        post_delete.connect(
            deleted, Application, weak=False, dispatch_uid="usage.erasing of a deleted application"
        )

        post_migrate.connect(defaults.ensure, sender=self)
