"""The app that owns calls: gateway, wrapper, spool, ledger, rollups, charts."""

from django.apps import AppConfig
from django.utils import timezone


class UsageConfig(AppConfig):
    name = "usage"

    def ready(self) -> None:
        from django.db.models.signals import post_delete

        from keys.models import Application
        from usage import erasing

        def deleted(instance: Application, **_: object) -> None:
            erasing.begin(instance.pk, instance.name, timezone.now())

        post_delete.connect(
            deleted, Application, weak=False, dispatch_uid="usage.erasing of a deleted application"
        )
