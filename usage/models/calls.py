"""Recorded calls: raw, short-lived, for drill-down."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import models
from django.db.models import Q

from usage.decisions import Decision, Recorded, chain
from usage.events import Outcome, dollars

NOT_OK = ~Q(outcome=Outcome.OK.value)
CLOCK = timedelta(minutes=1)  # between the time in an id and `started_at`, ordinarily less


class Calls(models.Manager["Call"]):
    def found(self, key: UUID, **lookups: Any) -> "Call | None":
        """The call of an id, if it matches the lookups.

        A UUIDv7 holds its time: looked for where that lies first, in one or two days of them all.
        """
        rows = self.filter(id=key, **lookups)
        at = datetime.fromtimestamp((key.int >> 80) / 1000, UTC) if key.version == 7 else None
        near = at and rows.filter(started_at__range=(at - CLOCK, at + CLOCK)).first()
        return near or rows.first()


class Call(models.Model):
    """One CallEvent as stored. Keys are named by id without foreign keys: history outlives them.

    On PostgreSQL the table is partitioned by the day (UTC) of `started_at`, with (id, started_at)
    for its key: both come from one event, so an id is there once all the same. Migrations that
    change the table say it in SQL for each engine (0005).
    """

    id = models.UUIDField(primary_key=True)
    started_at = models.DateTimeField()
    source = models.CharField(max_length=8)
    application = models.CharField(max_length=12)
    app_key = models.CharField(max_length=12, blank=True)
    app_key_version = models.PositiveIntegerField(default=0)
    provider = models.CharField(max_length=50)
    provider_key = models.CharField(max_length=12, blank=True)
    provider_key_version = models.PositiveIntegerField(default=0)
    method = models.CharField(max_length=10)
    endpoint = models.CharField(max_length=200)
    caller = models.CharField(max_length=100, blank=True)
    address = models.CharField(max_length=45, blank=True)
    user_agent = models.CharField(max_length=200, blank=True)
    outcome = models.CharField(max_length=14)
    code = models.CharField(max_length=60, blank=True)
    message = models.CharField(max_length=200, blank=True)
    status = models.PositiveIntegerField(default=0)
    latency_ms = models.FloatField(default=0)
    first_byte_ms = models.FloatField(default=0)
    bytes_in = models.BigIntegerField(default=0)
    bytes_out = models.BigIntegerField(default=0)
    tokens_in = models.BigIntegerField(default=0)
    tokens_out = models.BigIntegerField(default=0)
    cost_nanos = models.BigIntegerField(default=0, db_default=0)  # billionths of a US dollar
    attempts = models.PositiveIntegerField(default=0)
    # JSON: the provider keys tried before this one, and what came of each; empty: none.
    tried = models.TextField(blank=True, default="")

    objects = Calls()

    class Meta:
        # Ascending, so that new calls are appended to them; newest first is read backwards.
        indexes = [
            # the calls page and live tail: newest first, within applications
            models.Index(fields=["application", "started_at", "id"], name="call_newest"),
            # a key's latest calls
            models.Index(fields=["app_key", "started_at", "id"], name="call_app_key"),
            models.Index(fields=["provider_key", "started_at", "id"], name="call_provider_key"),
            # newest of all applications; retention on SQLite
            models.Index(fields=["started_at", "id"], name="call_age"),
            # The same with an outcome: one that is rare among a key's, an application's or all
            # calls is found without a walk past millions of others. What went well is not in
            # them: it is seldom rare, and costs ingest nothing this way.
            models.Index(
                fields=["app_key", "outcome", "started_at", "id"],
                condition=NOT_OK,
                name="call_app_key_not_ok",
            ),
            models.Index(
                fields=["provider_key", "outcome", "started_at", "id"],
                condition=NOT_OK,
                name="call_provider_key_not_ok",
            ),
            models.Index(
                fields=["application", "outcome", "started_at", "id"],
                condition=NOT_OK,
                name="call_application_not_ok",
            ),
            models.Index(
                fields=["outcome", "started_at", "id"], condition=NOT_OK, name="call_not_ok"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.outcome}"

    def decisions(self, names: Mapping[str, str]) -> list[Decision]:
        """Why it ended as it did; `names` are the keys' names by id."""
        recorded = Recorded(
            source=self.source,
            caller=self.caller,
            app_key=self.app_key,
            app_key_version=self.app_key_version,
            provider=self.provider,
            provider_key=self.provider_key,
            provider_key_version=self.provider_key_version,
            outcome=Outcome(self.outcome),
            code=self.code,
            message=self.message,
            status=self.status,
            latency_ms=self.latency_ms,
            tried=self.attempts_before,
        )
        return chain(recorded, names)

    @property
    def cost_usd(self) -> float | None:
        return dollars(self.cost_nanos)

    @property
    def attempts_before(self) -> list[dict[str, Any]]:
        """provider_key, provider_key_version, outcome, code and status of each."""
        return json.loads(self.tried) if self.tried else []
