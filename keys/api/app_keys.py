"""REST for app keys: the plaintext is in the answers to create, rotate and reveal alone."""

from django.db import transaction
from django.http import HttpRequest
from ninja import Query, Router
from ninja.responses import Status

from keys import lifecycle, permissions
from keys.api import paging
from keys.api.acts import add_acts
from keys.api.auth import MANAGE, READ, SECRETS
from keys.api.compromised import CompromisedAppKey, CompromisedAppKeyOut
from keys.api.described import Details, KeyQuery, details_of
from keys.api.schemas import (
    AppKeyIn,
    AppKeyOut,
    AppKeyPatch,
    AppKeys,
    AppKeyWithSecret,
    LimitsOut,
    RevealIn,
    RevealOut,
    RotateAppKey,
)
from keys.api.versions import last4_of, versions_of
from keys.audit import Actor
from keys.models import AppKey
from keys.permissions import Act

router = Router(tags=["app keys"])
ONE = "/{slug:slug}/app-keys/{slug:key_id}"


@router.get("/{slug:slug}/app-keys", auth=READ, response=AppKeys, operation_id="list_app_keys")
def list_app_keys(request: HttpRequest, slug: str, query: Query[KeyQuery]) -> AppKeys:
    application = permissions.get_application(request.user, slug)
    rows, following = paging.page(query.over(application.app_keys.all()), query, "name")
    return AppKeys(items=[_out(row, slug) for row in rows], next=following)


@router.post(
    "/{slug:slug}/app-keys",
    auth=MANAGE,
    response={201: AppKeyWithSecret},
    operation_id="create_app_key",
)
def create_app_key(request: HttpRequest, slug: str, body: AppKeyIn) -> Status[AppKeyWithSecret]:
    application = permissions.get_application(request.user, slug, Act.CREATE_APP_KEY)
    key, secret = lifecycle.create_app_key(
        Actor.of(request),
        application,
        name=body.name,
        providers=body.providers,
        environment=body.environment,
        expires_at=body.expires_at,
        endpoints=body.endpoints,
        methods=body.methods,
        ips=body.ips,
        **body.limits.model_dump(),
    )
    return Status(201, _with_secret(key, slug, secret.reveal()))


@router.get(ONE, auth=READ, response=AppKeyOut, operation_id="get_app_key")
def get_app_key(request: HttpRequest, slug: str, key_id: str) -> AppKeyOut:
    return _out(permissions.get_app_key(request.user, slug, key_id, Act.SEE), slug)


@router.patch(ONE, auth=MANAGE, response=AppKeyOut, operation_id="change_app_key")
def change_app_key(request: HttpRequest, slug: str, key_id: str, body: AppKeyPatch) -> AppKeyOut:
    """Changes the policy; what isn't given stays, null takes a limit away."""
    details = body.told()
    given = body.model_dump(exclude_unset=True, exclude=set(Details.model_fields))
    act = Act.MANAGE_POLICY if given or not details else Act.CREATE_APP_KEY
    key = permissions.get_app_key(request.user, slug, key_id, act)
    limits = given.pop("limits", {})
    with transaction.atomic():
        lifecycle.set_limits(Actor.of(request), key, **given, **limits)
        lifecycle.describe(Actor.of(request), key, **details)
    return _fresh(key, slug)


@router.post(
    f"{ONE}/rotate", auth=SECRETS, response=AppKeyWithSecret, operation_id="rotate_app_key"
)
def rotate_app_key(
    request: HttpRequest, slug: str, key_id: str, body: RotateAppKey | None = None
) -> AppKeyWithSecret:
    """Both the new and the old secret work until the overlap ends."""
    key = permissions.get_app_key(request.user, slug, key_id, Act.ROTATE_APP_KEY)
    asked = (body or RotateAppKey()).model_dump()
    secret = lifecycle.rotate_app_key(Actor.of(request), key, **asked)
    return _with_secret(key, slug, secret.reveal())


@router.post(
    f"{ONE}/compromised",
    auth=SECRETS,
    response=CompromisedAppKeyOut,
    operation_id="report_app_key_compromised",
)
def report_compromised(
    request: HttpRequest, slug: str, key_id: str, body: CompromisedAppKey
) -> CompromisedAppKeyOut:
    """Ends every text of the key now; it is refused everywhere within a second."""
    key = permissions.get_app_key(request.user, slug, key_id, Act.REVOKE_APP_KEY)
    told = body.model_dump()
    secret = lifecycle.report_compromised(Actor.of(request), key, **told)
    shown = _fresh(key, slug).model_dump()
    return CompromisedAppKeyOut(**shown, key=secret.reveal() if secret else None)


add_acts(
    router,
    ONE,
    "app_key",
    permissions.get_app_key,
    finish="Ends the overlap now: the old secret stops working.",
    cancel="Brings the previous secret back: the new one stops working.",
    revoke="Refused everywhere within a second. Can't be undone.",
)


@router.post(f"{ONE}/reveal", auth=MANAGE, response=RevealOut, operation_id="reveal_app_key")
def reveal(request: HttpRequest, slug: str, key_id: str, body: RevealIn | None = None) -> RevealOut:
    """The app key again; needs no reason. 409 where the application shows keys once."""
    key = permissions.get_app_key(request.user, slug, key_id, Act.COPY_APP_KEY)
    return RevealOut(key=lifecycle.copy_app_key(Actor.of(request), key).reveal())


def _fresh(key: AppKey, slug: str) -> AppKeyOut:
    return _out(AppKey.objects.get(pk=key.pk), slug)


def _with_secret(key: AppKey, slug: str, secret: str) -> AppKeyWithSecret:
    return AppKeyWithSecret(**_fresh(key, slug).model_dump(), key=secret)


def _out(key: AppKey, slug: str) -> AppKeyOut:
    versions = versions_of(key.versions.all())
    return AppKeyOut(
        id=key.id,
        name=key.name,
        application=slug,
        state=key.state,
        last4=last4_of(versions),
        providers=key.providers,
        limits=LimitsOut(
            per_minute=key.per_minute,
            per_day=key.per_day,
            per_month=key.per_month,
            concurrency=key.concurrency,
        ),
        endpoints=key.endpoints,
        dangerous_endpoints=key.dangerous_endpoints,
        methods=key.methods,
        ips=key.ips,
        versions=versions,
        created_at=key.created_at,
        expires_at=key.expires_at,
        last_used_at=key.last_used_at,
        **details_of(key),
    )
