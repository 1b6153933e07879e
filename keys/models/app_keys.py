"""App keys: what Keydeck issues to an application's code."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from keys.models.applications import Application
from keys.models.described import Described
from keys.models.ids import new_id
from keys.states import KeyState, Stage

if TYPE_CHECKING:
    from keys.vault import Secret

LIMITS = (
    "providers",
    "endpoints",
    "dangerous_endpoints",
    "methods",
    "ips",
    "per_minute",
    "per_day",
    "per_month",
    "concurrency",
    "expires_at",
)

# What the gateway takes, and so what a key may be held to.
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


class AppKey(Described):
    """A key of ours with its policy. An empty policy field means no limit of that kind."""

    kind = "app_key"
    id = models.CharField(primary_key=True, max_length=12, default=new_id, editable=False)
    application = models.ForeignKey(Application, models.CASCADE, related_name="app_keys")
    name = models.CharField(max_length=100)
    state = models.CharField(max_length=10, default=KeyState.ACTIVE)
    providers = models.JSONField(null=True)  # provider slugs; null: any the application has
    endpoints = models.JSONField(null=True)  # globs over the upstream path; null: any
    # Globs over those that the provider's definition calls dangerous; null: none of them.
    dangerous_endpoints = models.JSONField(null=True)
    methods = models.JSONField(null=True)  # of HTTP; null: any
    ips = models.JSONField(null=True)  # CIDR ranges; null: any
    per_minute = models.PositiveIntegerField(null=True)
    per_day = models.PositiveIntegerField(null=True)
    per_month = models.PositiveIntegerField(null=True)  # of the calendar, in UTC
    concurrency = models.PositiveIntegerField(null=True)
    expires_at = models.DateTimeField(null=True, db_index=True)
    last_used_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["application", "name"], name="one_app_key_of_a_name"),
        ]

    # Not stored: the text of a key just made (a keys.vault.Secret), for whoever made it.
    issued: "Secret | None" = None

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"

    @property
    def limits(self) -> dict[str, Any]:
        """All that limits it, as the audit trail tells of it: in JSON's types."""
        return {name: _plain(getattr(self, name)) for name in LIMITS}


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


class AppKeyVersion(models.Model):
    """One secret of an app key, found by its keyed hash; stages current, previous, retired."""

    key = models.ForeignKey(AppKey, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    stage = models.CharField(max_length=10, default=Stage.CURRENT)
    lookup = models.CharField(max_length=64, unique=True)  # HMAC-SHA256 with the pepper, hex
    sealed = models.TextField(blank=True)  # empty where the application shows keys once
    last4 = models.CharField(max_length=4)
    created_at = models.DateTimeField(auto_now_add=True)
    promoted_at = models.DateTimeField(null=True)
    retires_at = models.DateTimeField(null=True, db_index=True)
    retired_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    # A previous version goes once it has been silent so long, and stays while it isn't.
    silent_seconds = models.PositiveIntegerField(null=True)
    extensions = models.PositiveIntegerField(default=0)  # how often its end was put off
    compromised_at = models.DateTimeField(null=True)  # when it was reported to have got out

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "number"], name="one_app_key_version"),
            models.UniqueConstraint(
                fields=["key"], condition=Q(stage="current"), name="one_current_app_key"
            ),
            models.UniqueConstraint(
                fields=["key"], condition=Q(stage="previous"), name="one_previous_app_key"
            ),
        ]

    def __str__(self) -> str:
        return f"version {self.number} of {self.key_id}"
