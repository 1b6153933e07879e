"""Provider keys: a slot with a stable id, and the versions (secrets) it has had."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from keys.models.applications import Application
from keys.models.described import Described
from keys.models.ids import new_id
from keys.states import KeyState, Stage, Standing, Verdict


class ProviderKey(Described):
    """An upstream secret vaulted for one application. `provider` is a provider's slug."""

    kind = "provider_key"
    id = models.CharField(primary_key=True, max_length=12, default=new_id, editable=False)
    application = models.ForeignKey(Application, models.CASCADE, related_name="provider_keys")
    name = models.CharField(max_length=100)
    provider = models.SlugField(max_length=50, db_index=False)  # the indexes below begin with it
    state = models.CharField(max_length=10, default=KeyState.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    last_used_at = models.DateTimeField(null=True)
    # Its part in the pool: of the keys with the lowest `priority` that can be used each gets
    # calls by its `weight`.
    priority = models.PositiveSmallIntegerField(default=1)
    weight = models.PositiveSmallIntegerField(default=1)
    # Calls that may be under way with it at once; providers queue so many per account.
    concurrency = models.PositiveSmallIntegerField(null=True)

    # Written by keys.health alone.
    verdict = models.CharField(max_length=14, default=Verdict.UNCHECKED)
    verdict_at = models.DateTimeField(null=True)
    refused_at = models.DateTimeField(null=True)
    evidence = models.JSONField(default=dict)  # keys.health.Evidence.as_json
    checked_at = models.DateTimeField(null=True)
    # When the provider was last heard of this key, with a clear answer or without one; and since
    # when its answers have been unclear (None: the last one was clear).
    looked_at = models.DateTimeField(null=True)
    unclear_since = models.DateTimeField(null=True)
    # Does the provider still take any of its versions that were ended here and are watched?
    # None until looked.
    live_at_provider = models.BooleanField(null=True)

    # The check's place in the queue: due time and lease (DESIGN decision 14).
    next_check_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["application", "name"], name="one_provider_key_of_a_name"
            ),
        ]
        indexes = [
            # keys.sweeping: what is due in one provider's lane, and how long it has been
            models.Index(fields=["provider", "next_check_at"], name="provider_key_due"),
            # keys.incidents: how the latest looks at one provider ended
            models.Index(fields=["provider", "looked_at"], name="provider_key_looks"),
            # the pool of one application for one provider
            models.Index(fields=["application", "provider", "state"], name="provider_key_pool"),
        ]

    # Not stored: whether the secret just added came with whitespace around it.
    trimmed = False

    def __str__(self) -> str:
        return f"{self.name} ({self.id})"

    @property
    def standing(self) -> Standing:
        return Standing(Verdict(self.verdict), self.refused_at)

    @property
    def suspect(self) -> bool:
        return self.standing.suspect


class ProviderKeyVersion(models.Model):
    """One secret of a provider key. `sealed` is opened by `keys.vault` alone."""

    key = models.ForeignKey(ProviderKey, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    stage = models.CharField(max_length=10, default=Stage.PENDING)
    sealed = models.TextField()
    fingerprint = models.CharField(max_length=64, db_index=True)  # keyed, the same everywhere
    last4 = models.CharField(max_length=4)
    created_at = models.DateTimeField(auto_now_add=True)
    promoted_at = models.DateTimeField(null=True)
    overlap_seconds = models.PositiveIntegerField(default=0)  # asked for at rotation
    retires_at = models.DateTimeField(null=True, db_index=True)  # of a previous version
    retired_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    # A previous version goes once it has been silent so long, and stays while it isn't.
    silent_seconds = models.PositiveIntegerField(null=True)
    extensions = models.PositiveIntegerField(default=0)  # how often its end was put off
    evidence = models.JSONField(default=dict)  # of the test before promotion
    # The base URL that a custom provider had when this was entered; it is sent nowhere else.
    # Empty for built-in providers: their addresses are the operator's.
    entered_for = models.CharField(max_length=300, blank=True)
    compromised_at = models.DateTimeField(null=True)  # when it was reported to have got out
    # Ended here, and looked at until the provider refuses it too (keys.watching).
    watch_at = models.DateTimeField(null=True, db_index=True)
    live_at_provider = models.BooleanField(null=True)  # None until looked

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "number"], name="one_provider_key_version"),
            models.UniqueConstraint(
                fields=["key"], condition=Q(stage="current"), name="one_current_provider_key"
            ),
            models.UniqueConstraint(
                fields=["key"],
                condition=Q(stage__in=["pending", "tested"]),
                name="one_pending_provider_key",
            ),
            models.UniqueConstraint(
                fields=["key"], condition=Q(stage="previous"), name="one_previous_provider_key"
            ),
        ]

    def __str__(self) -> str:
        return f"version {self.number} of {self.key_id}"
