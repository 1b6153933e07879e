"""REST for provider keys: never answers with a secret, but for `reveal`."""

from django.db import transaction
from django.http import HttpRequest
from ninja import Query, Router
from ninja.responses import Status

from keys import lifecycle, permissions
from keys.api import paging
from keys.api.acts import add_acts
from keys.api.auth import MANAGE, READ, SECRETS
from keys.api.compromised import CompromisedProviderKey
from keys.api.described import KeyQuery, details_of
from keys.api.elsewhere import ProviderKeyEverywhere, elsewhere_of
from keys.api.evidence import EvidenceOut
from keys.api.schemas import (
    CheckOut,
    ProviderKeyAdded,
    ProviderKeyIn,
    ProviderKeyOut,
    ProviderKeyPatch,
    ProviderKeys,
    RevealIn,
    RevealOut,
    RotateProviderKey,
)
from keys.api.versions import last4_of, versions_of
from keys.audit import Actor
from keys.models import ProviderKey
from keys.permissions import Act

router = Router(tags=["provider keys"])
ONE = "/{slug:slug}/provider-keys/{slug:key_id}"


@router.get(
    "/{slug:slug}/provider-keys",
    auth=READ,
    response=ProviderKeys,
    operation_id="list_provider_keys",
)
def list_provider_keys(request: HttpRequest, slug: str, query: Query[KeyQuery]) -> ProviderKeys:
    application = permissions.get_application(request.user, slug)
    rows, following = paging.page(query.over(application.provider_keys.all()), query, "name")
    return ProviderKeys(items=[_out(row, slug) for row in rows], next=following)


@router.post(
    "/{slug:slug}/provider-keys",
    auth=MANAGE,
    response={201: ProviderKeyAdded},
    operation_id="add_provider_key",
)
def add_provider_key(
    request: HttpRequest, slug: str, body: ProviderKeyIn
) -> Status[ProviderKeyAdded]:
    """Seals the secret and asks the provider about it: the verdict is in the answer."""
    application = permissions.get_application(request.user, slug, Act.MANAGE_PROVIDER_KEYS)
    key = lifecycle.add_provider_key(
        Actor.of(request),
        application,
        name=body.name,
        provider=body.provider,
        secret=body.secret.get_secret_value(),
        priority=body.priority,
        weight=body.weight,
        concurrency=body.concurrency,
    )
    shown = _fresh(key, slug).model_dump()
    return Status(201, ProviderKeyAdded(**shown, trimmed=key.trimmed))


@router.get(ONE, auth=READ, response=ProviderKeyOut, operation_id="get_provider_key")
def get_provider_key(request: HttpRequest, slug: str, key_id: str) -> ProviderKeyOut:
    return _out(permissions.get_provider_key(request.user, slug, key_id, Act.SEE), slug)


@router.patch(ONE, auth=MANAGE, response=ProviderKeyOut, operation_id="change_provider_key")
def change_provider_key(
    request: HttpRequest, slug: str, key_id: str, body: ProviderKeyPatch
) -> ProviderKeyOut:
    """Changes the words on the key and its part in the pool; what isn't given stays."""
    key = permissions.get_provider_key(request.user, slug, key_id, Act.MANAGE_PROVIDER_KEYS)
    details = body.told()
    if body.environment:
        details["environment"] = body.environment
    given: dict[str, int | None] = {"priority": body.priority, "weight": body.weight}
    share: dict[str, int | None] = {name: value for name, value in given.items() if value}
    if "concurrency" in body.model_fields_set:  # null takes the bound away
        share["concurrency"] = body.concurrency
    with transaction.atomic():
        lifecycle.describe(Actor.of(request), key, **details)
        if share:
            lifecycle.set_share(Actor.of(request), key, **share)
    return _fresh(key, slug)


@router.post(
    f"{ONE}/rotate",
    auth=SECRETS,
    response=ProviderKeyEverywhere,
    operation_id="rotate_provider_key",
)
def rotate_provider_key(
    request: HttpRequest, slug: str, key_id: str, body: RotateProviderKey
) -> ProviderKeyEverywhere:
    """Tests the new secret and promotes it; the old one serves on until the overlap ends."""
    key = permissions.get_provider_key(request.user, slug, key_id, Act.MANAGE_PROVIDER_KEYS)
    mine = _mine(request, lifecycle.same_current(key)) if body.everywhere else []
    _, refused = lifecycle.rotate_everywhere(
        Actor.of(request),
        key,
        mine,
        secret=body.secret.get_secret_value(),
        overlap_seconds=body.overlap_seconds,
        silent_seconds=body.silent_seconds,
        accept_untested=body.accept_untested,
    )
    shown = _fresh(key, slug).model_dump()
    return ProviderKeyEverywhere(**shown, elsewhere=elsewhere_of(mine, refused))


@router.post(
    f"{ONE}/compromised",
    auth=SECRETS,
    response=ProviderKeyEverywhere,
    operation_id="report_provider_key_compromised",
)
def report_compromised(
    request: HttpRequest, slug: str, key_id: str, body: CompromisedProviderKey
) -> ProviderKeyEverywhere:
    """Ends every secret of the key here, now; watches them until the provider refuses them."""
    key = permissions.get_provider_key(request.user, slug, key_id, Act.MANAGE_PROVIDER_KEYS)
    mine = _mine(request, lifecycle.same_secret(key)) if body.everywhere else []
    secret = body.secret.get_secret_value() if body.secret else ""
    refused = lifecycle.report_everywhere(
        Actor.of(request), key, mine, reason=body.reason, secret=secret
    )
    shown = _fresh(key, slug).model_dump()
    return ProviderKeyEverywhere(**shown, elsewhere=elsewhere_of(mine, refused))


add_acts(
    router,
    ONE,
    "provider_key",
    permissions.get_provider_key,
    finish="Ends the overlap now, or promotes a pending version on purpose.",
    cancel="Drops the pending version, or brings the previous one back.",
    revoke="Can't be undone, and doesn't revoke the secret at the provider.",
)


@router.post(f"{ONE}/reveal", auth=SECRETS, response=RevealOut, operation_id="reveal_provider_key")
def reveal(request: HttpRequest, slug: str, key_id: str, body: RevealIn) -> RevealOut:
    """The secret itself. The reason is audited before it is sent."""
    key = permissions.get_provider_key(request.user, slug, key_id, Act.REVEAL_PROVIDER_KEY)
    secret = lifecycle.reveal_provider_key(Actor.of(request), key, reason=body.reason)
    return RevealOut(key=secret.reveal())


@router.post(f"{ONE}/check", auth=MANAGE, response=CheckOut, operation_id="check_provider_key")
def check(request: HttpRequest, slug: str, key_id: str) -> CheckOut:
    """Asks the provider now, without spending credits."""
    key = permissions.get_provider_key(request.user, slug, key_id, Act.CHECK)
    evidence = lifecycle.check_provider_key(Actor.of(request), key)
    return CheckOut(verdict=key.verdict, evidence=EvidenceOut(**evidence.as_json()))


def _mine(request: HttpRequest, twins: list[ProviderKey]) -> list[ProviderKey]:
    """Those of the keys with the same secret on which this user may act too."""
    return [
        twin
        for twin in twins
        if permissions.may(request.user, twin.application, Act.MANAGE_PROVIDER_KEYS)
    ]


def _fresh(key: ProviderKey, slug: str) -> ProviderKeyOut:
    return _out(ProviderKey.objects.get(pk=key.pk), slug)


def _out(key: ProviderKey, slug: str) -> ProviderKeyOut:
    versions = versions_of(key.versions.all())
    return ProviderKeyOut(
        id=key.id,
        name=key.name,
        application=slug,
        provider=key.provider,
        state=key.state,
        priority=key.priority,
        weight=key.weight,
        concurrency=key.concurrency,
        verdict=key.verdict,
        suspect=key.suspect,
        evidence=EvidenceOut(**key.evidence) if key.evidence else None,
        live_at_provider=key.live_at_provider,
        last4=last4_of(versions),
        versions=versions,
        created_at=key.created_at,
        last_used_at=key.last_used_at,
        checked_at=key.checked_at,
        **details_of(key),
    )
