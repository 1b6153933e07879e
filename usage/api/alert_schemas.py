"""What REST takes and gives about alerts and hygiene."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, SecretStr, StrictBool

from keys.api.fields import Input, Line, Slug, Text
from keys.api.paging import Paging
from keys.api.schemas import ListOut
from usage.alerts import hearing
from usage.models import AlertChannel, AlertDelivery, AlertRule, AlertState

Cooldown = Annotated[int, Field(strict=True, ge=0, le=30 * 86400)]
Id = Annotated[str, Field(pattern=r"^[0-9A-Za-z]{1,12}$")]
Params = dict[Annotated[str, Field(max_length=30)], Any]


class RuleIn(Input):
    """`key`: "app_key:<id>" or "provider_key:<id>". No application: everywhere."""

    application: Slug | None = None
    name: Line
    condition: Text
    params: Params = Field(default_factory=dict, max_length=20)
    channels: list[Id] = Field(default_factory=list, max_length=50)
    provider: Slug | Literal[""] = ""
    key: Annotated[str, Field(max_length=40)] = ""
    enabled: StrictBool = True
    cooldown_seconds: Cooldown = 3600
    tells_recovery: StrictBool = True


class RulePatch(Input):
    name: Line = ""
    condition: Text = ""
    params: Params = Field(default_factory=dict, max_length=20)
    channels: list[Id] = Field(default_factory=list, max_length=50)
    provider: Slug | Literal[""] = ""
    key: Annotated[str, Field(max_length=40)] = ""
    enabled: StrictBool = True
    cooldown_seconds: Cooldown = 3600
    tells_recovery: StrictBool = True


class RuleOut(BaseModel):
    """`built_in`: there from the start; it can be turned off and not deleted. `tells_nobody`: why
    no channel would take what it finds, and what to do; empty where one would."""

    id: str
    application: str | None
    name: str
    condition: str
    params: dict[str, Any]
    channels: list[str]
    provider: str
    key: str
    enabled: bool
    cooldown_seconds: int
    tells_recovery: bool
    tells_nobody: str
    built_in: bool
    created_at: datetime

    @classmethod
    def all_of(cls, rows: Sequence[AlertRule]) -> "list[RuleOut]":
        mute = hearing.tells_nobody(rows)
        return [cls._of(row, mute.get(row.pk, "")) for row in rows]

    @classmethod
    def of(cls, row: AlertRule) -> "RuleOut":
        return cls.all_of([row])[0]

    @classmethod
    def _of(cls, row: AlertRule, tells_nobody: str) -> "RuleOut":
        return cls(
            id=row.pk,
            application=row.application.slug if row.application else None,
            name=row.name,
            condition=row.condition,
            params=row.params,
            channels=sorted(channel.pk for channel in row.channels.all()),
            provider=row.provider,
            key=row.key,
            enabled=row.enabled,
            cooldown_seconds=row.cooldown_seconds,
            tells_recovery=row.tells_recovery,
            tells_nobody=tells_nobody,
            built_in=bool(row.preset),
            created_at=row.created_at,
        )


class Rules(ListOut[RuleOut]):
    pass


class ChannelIn(Input):
    """No application: the installation's. `recipients` empty: the owners of what it is about."""

    application: Slug | None = None
    name: Line
    kind: Literal["email", "webhook", "slack"]
    url: SecretStr | None = None
    recipients: list[Annotated[str, Field(max_length=254)]] = Field(
        default_factory=list, max_length=50
    )
    digest: Literal["", "hourly", "daily"] = ""
    hears_site: StrictBool = Field(
        True, description="Told, too, what the installation's rules find in the application."
    )


class ChannelPatch(Input):
    name: Line = ""
    url: SecretStr | None = None
    recipients: list[Annotated[str, Field(max_length=254)]] = Field(
        default_factory=list, max_length=50
    )
    digest: Literal["", "hourly", "daily"] = ""
    hears_site: StrictBool = True
    enabled: StrictBool = True


class ChannelOut(BaseModel):
    """`host` is all that is told of an address."""

    id: str
    application: str | None
    name: str
    kind: str
    host: str
    recipients: list[str]
    digest: str
    hears_site: bool
    enabled: bool
    built_in: bool
    failing_since: datetime | None
    created_at: datetime

    @classmethod
    def of(cls, row: AlertChannel, *, in_full: bool) -> "ChannelOut":
        return cls(
            id=row.pk,
            application=row.application.slug if row.application else None,
            name=row.name,
            kind=row.kind,
            host=row.host,
            recipients=row.recipients if in_full else [],
            digest=row.digest,
            hears_site=row.hears_site,
            enabled=row.enabled,
            built_in=bool(row.preset),
            failing_since=row.failing_since,
            created_at=row.created_at,
        )


class ChannelMade(ChannelOut):
    """`secret`: that signs a webhook's messages; given once."""

    secret: str | None


class Channels(ListOut[ChannelOut]):
    pass


class SecretOut(BaseModel):
    secret: str


class DeliveryQuery(Paging):
    channel: Id | None = None
    state: Literal["pending", "sent", "given_up"] | None = None


class AttemptOut(BaseModel):
    """`status` 0: no answer, or e-mail. `answer`: its first characters, redacted."""

    at: datetime
    status: int
    ms: float
    answer: str


class DeliveryOut(BaseModel):
    id: str
    channel: str
    state: str
    created_at: datetime
    next_at: datetime | None
    finished_at: datetime | None
    attempts: int
    status: int
    answer: str
    log: list[AttemptOut]
    alerts: list[dict[str, Any]]

    @classmethod
    def of(cls, row: AlertDelivery) -> "DeliveryOut":
        return cls(
            id=str(row.pk),
            channel=row.channel_id,
            state=row.state,
            created_at=row.created_at,
            next_at=row.next_at if row.state == "pending" else None,
            finished_at=row.finished_at,
            attempts=row.attempts,
            status=row.status,
            answer=row.answer,
            log=[AttemptOut(**one) for one in row.log],
            alerts=row.notice.alerts,
        )


class Deliveries(ListOut[DeliveryOut]):
    pass


class FiringOut(BaseModel):
    """`told_at`: when the first channel took it. Null while none has: the rule has no channel, none
    was reached so far, a digest is not due, or it is kept quiet until its cooldown is over."""

    id: int
    rule: str
    subject: str
    what: str
    level: str
    title: str
    evidence: str
    cause: str
    remedy: str
    url: str
    firing_since: datetime
    told_at: datetime | None

    @classmethod
    def of(cls, row: AlertState) -> "FiringOut":
        return cls(
            id=row.pk,
            rule=row.rule_id,
            subject=row.subject,
            what=row.what,
            level=row.level,
            firing_since=row.firing_since,
            told_at=row.reached_at if row.told_what else None,  # type: ignore[attr-defined]
            **row.told,
        )


class Firing(ListOut[FiringOut]):
    pass
