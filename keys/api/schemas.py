"""What REST takes and gives (DESIGN section 7; the fields are fixed, more may be added)."""

from datetime import datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, Field, SecretStr, StrictBool

from keys.api.described import Described, Details
from keys.api.evidence import EvidenceOut
from keys.api.fields import Count, Email, Input, Instant, Line, Seconds, Slug, Text
from keys.lifecycle import DEFAULT_OVERLAP
from keys.states import Role

Item = TypeVar("Item", bound=BaseModel)


class ApplicationIn(Input):
    name: Line
    slug: Slug | None = None


class ApplicationPatch(Input):
    show_app_keys_once: StrictBool | None = None
    developers_copy_provider_keys: StrictBool | None = None


class ApplicationOut(BaseModel):
    slug: str
    name: str
    created_at: datetime
    show_app_keys_once: bool
    developers_copy_provider_keys: bool


class DataKeyOut(BaseModel):
    version: int


class MemberIn(Input):
    email: Email
    role: Role


class RoleIn(Input):
    role: Role


class MemberOut(BaseModel):
    email: str
    role: Role


class CredentialIn(Input):
    place: Literal["header", "bearer", "query", "body"] = Field(alias="in")
    name: Text = ""
    prefix: Text = ""


class ProbeIn(Input):
    method: Literal["GET", "HEAD", "POST"] = "GET"
    path: Text


class ProviderIn(Input):
    slug: Slug
    name: Line
    base_url: Text
    credential: CredentialIn
    probe: ProbeIn | None = None


class ProviderPatch(Input):
    base_url: Text


class ProviderOut(BaseModel):
    slug: str
    name: str
    base_url: str
    custom: bool
    checkable: bool


Priority = Annotated[int, Field(strict=True, ge=1, le=9)]
Weight = Annotated[int, Field(strict=True, ge=1, le=100)]
AtOnce = Annotated[int, Field(strict=True, ge=1, le=1000)]


class ProviderKeyIn(Input):
    name: Line
    provider: Slug
    secret: SecretStr
    priority: Priority = 1
    weight: Weight = 1
    concurrency: AtOnce | None = None


class Limits(Input):
    per_minute: Count | None = None
    per_day: Count | None = None
    per_month: Count | None = Field(None, description="Of the calendar, in UTC.")
    concurrency: Count | None = None


class AppKeyIn(Input):
    name: Line
    providers: list[Slug] | None = Field(None, max_length=100)
    environment: Literal["live", "test"] = "live"
    expires_at: Instant | None = None
    limits: Limits = Limits()
    endpoints: list[Text] | None = Field(None, max_length=100)
    methods: list[Text] | None = Field(None, max_length=100)
    ips: list[Text] | None = Field(None, max_length=100)


class ProviderKeyPatch(Details):
    environment: Literal["live", "test"] | None = None
    priority: Priority | None = None
    weight: Weight | None = None
    concurrency: AtOnce | None = None


class AppKeyPatch(Details):
    """Only the fields given are touched; null takes a limit away."""

    limits: Limits = Limits()
    providers: list[Slug] | None = Field(None, max_length=100)
    expires_at: Instant | None = None
    endpoints: list[Text] | None = Field(None, max_length=100)
    methods: list[Text] | None = Field(None, max_length=100)
    dangerous_endpoints: list[Text] | None = Field(
        None,
        max_length=100,
        description="Which of the endpoints that harm the account are open all the same.",
    )
    ips: list[Text] | None = Field(None, max_length=100)


class RotateProviderKey(Input):
    secret: SecretStr
    overlap_seconds: Seconds = DEFAULT_OVERLAP
    silent_seconds: Seconds | None = None
    accept_untested: StrictBool = Field(
        False, description="Use it although its test came to no answer; written to the audit."
    )
    everywhere: StrictBool = Field(
        False, description="Rotate the keys of your other applications with the same secret too."
    )


class RotateAppKey(Input):
    """With `silent_seconds` the old secret goes once it was silent so long, and not before."""

    overlap_seconds: Seconds = DEFAULT_OVERLAP
    silent_seconds: Seconds | None = None


class ExtendOverlap(Input):
    overlap_seconds: Seconds


class RevealIn(Input):
    reason: str = ""


class VersionOut(BaseModel):
    number: int
    stage: str
    last4: str
    created_at: datetime
    retires_at: datetime | None
    last_used_at: datetime | None


class ProviderKeyOut(Described):
    """`expires_at` and `limits` are of app keys: a provider key has its own from the provider."""

    id: str
    name: str
    application: str
    provider: str
    state: str
    priority: int
    weight: int
    concurrency: int | None
    verdict: str
    suspect: bool
    evidence: EvidenceOut | None
    live_at_provider: bool | None
    last4: str
    versions: list[VersionOut]
    created_at: datetime
    last_used_at: datetime | None
    checked_at: datetime | None
    expires_at: None = None
    limits: None = None


class ProviderKeyAdded(ProviderKeyOut):
    """`trimmed`: the secret came with whitespace around it, which was taken off."""

    trimmed: bool


class LimitsOut(BaseModel):
    per_minute: int | None
    per_day: int | None
    per_month: int | None
    concurrency: int | None


class AppKeyOut(Described):
    id: str
    name: str
    application: str
    state: str
    last4: str
    providers: list[str] | None
    limits: LimitsOut
    endpoints: list[str] | None
    dangerous_endpoints: list[str] | None
    methods: list[str] | None
    ips: list[str] | None
    versions: list[VersionOut]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class AppKeyWithSecret(AppKeyOut):
    """Given once, at creation and rotation."""

    key: str


class StateOut(BaseModel):
    id: str
    state: str


class RevealOut(BaseModel):
    key: str


class CheckOut(BaseModel):
    verdict: str
    evidence: EvidenceOut


class ListOut(BaseModel, Generic[Item]):
    """One page; `next` is the cursor of the following one, null on the last."""

    items: list[Item]
    next: str | None


class Applications(ListOut[ApplicationOut]):
    pass


class Members(ListOut[MemberOut]):
    pass


class Providers(ListOut[ProviderOut]):
    pass


class ProviderKeys(ListOut[ProviderKeyOut]):
    pass


class AppKeys(ListOut[AppKeyOut]):
    pass


class AuditEventOut(BaseModel):
    id: int
    at: datetime
    actor: str
    action: str
    application: str | None
    target: str
    detail: dict[str, Any]
    address: str


class AuditEvents(ListOut[AuditEventOut]):
    pass


class VerificationOut(BaseModel):
    ok: bool
    events: int
    broken_at: int | None
