"""The app that owns calls: gateway, wrapper, spool, ledger, rollups, charts, alerts."""

from django.apps import AppConfig
from django.db.models.signals import post_delete, post_migrate
from django.utils import timezone
from django.utils.module_loading import import_string


class UsageConfig(AppConfig):
    name = "usage"

    def ready(self) -> None:
        # Their models can't be imported earlier.
        from keys.models import Application
        from usage import erasing

        def deleted(instance: Application, **_: object) -> None:
            erasing.begin(instance.pk, instance.name, timezone.now())

        post_delete.connect(
            deleted, Application, weak=False, dispatch_uid="usage.erasing of a deleted application"
        )

        def migrated(**told: object) -> None:
            # By name, as it loads what no other start needs.
            import_string("usage.alerts.defaults.ensure")(**told)

        post_migrate.connect(migrated, sender=self, weak=False, dispatch_uid="usage.alerts rules")
