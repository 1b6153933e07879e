"""What the vault keeps: wrapped data keys and the system's own sealed secrets."""

from django.db import models
from django.db.models import Q

from keys.models.applications import Application


class DataKey(models.Model):
    """A Fernet key wrapped by a master key. No application: the system data key (decision 13).

    `master` is the master key's fingerprint, so that rewrap and the settings page can count.
    """

    application = models.ForeignKey(
        Application, models.CASCADE, null=True, related_name="data_keys"
    )
    version = models.PositiveIntegerField(default=1)
    wrapped = models.TextField()
    master = models.CharField(max_length=16, db_index=True)
    created_at = models.DateTimeField(auto_now_add=True)
    # Replaced by a newer one: nothing is sealed under it. It goes once no process can still
    # hold a text that was.
    spent_at = models.DateTimeField(null=True, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["application", "version"], name="one_data_key_version"),
            models.UniqueConstraint(
                fields=["version"],
                condition=Q(application__isnull=True),
                name="one_system_data_key_version",
            ),
        ]

    def __str__(self) -> str:
        return f"data key {self.version} of {self.application_id or 'system'}"


class SystemSecret(models.Model):
    """A secret of no application (lookup pepper, fingerprint key), sealed under the system key."""

    name = models.CharField(primary_key=True, max_length=40)
    sealed = models.TextField()

    def __str__(self) -> str:
        return self.name


class VaultExamination(models.Model):
    """The last time every secret was opened to see that it does: one row (`keys.doctor`)."""

    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    asked = models.BooleanField(default=False)  # to look again before it is due
    opened = models.PositiveIntegerField(default=0)
    findings = models.JSONField(default=list)  # of dicts: key, application, name, code

    def __str__(self) -> str:
        return f"{self.opened} opened, {len(self.findings)} findings"
