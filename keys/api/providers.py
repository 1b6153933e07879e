"""REST for providers: everybody may look, site admins describe custom ones."""

from django.http import Http404, HttpRequest
from ninja import Query, Router
from ninja.responses import Status

from keys import lifecycle, permissions
from keys.api import paging
from keys.api.auth import READ, SECRETS
from keys.api.schemas import ProviderIn, ProviderOut, ProviderPatch, Providers
from keys.audit import Actor
from keys.models import Provider
from keys.providers import ProviderSpec, UnknownProvider, all_specs, get

router = Router(tags=["providers"])
# The domain's flat fields by the names that they have here.
FIELDS = {
    "credential_in": "credential.in",
    "credential_name": "credential.name",
    "credential_prefix": "credential.prefix",
    "probe_method": "probe.method",
    "probe_path": "probe.path",
}


@router.get("", auth=READ, response=Providers, operation_id="list_providers")
def list_providers(request: HttpRequest, query: Query[paging.Paging]) -> Providers:
    """Built-in and custom ones."""
    after = "" if query.cursor is None else paging.decode(query.cursor)
    rest = sorted((spec for spec in all_specs() if spec.slug > after), key=lambda spec: spec.slug)
    shown = rest[: query.limit]
    custom = _custom()
    following = paging.encode(shown[-1].slug) if len(rest) > len(shown) else None
    return Providers(items=[_out(spec, custom) for spec in shown], next=following)


@router.post("", auth=SECRETS, response={201: ProviderOut}, operation_id="create_provider")
def create_provider(request: HttpRequest, body: ProviderIn) -> Status[ProviderOut]:
    """A custom provider: its base URL, where its credential goes, and a free request to probe."""
    permissions.require_site_admin(request.user)
    try:
        made = lifecycle.create_custom_provider(
            Actor.of(request),
            slug=body.slug,
            name=body.name,
            base_url=body.base_url,
            credential_in=body.credential.place,
            credential_name=body.credential.name,
            credential_prefix=body.credential.prefix,
            probe_method=body.probe.method if body.probe else "",
            probe_path=body.probe.path if body.probe else "",
        )
    except lifecycle.Invalid as error:
        field = FIELDS.get(error.field, error.field)
        raise lifecycle.Invalid(field, error.message) from error
    return Status(201, _out(get(made.slug), {made.slug}))


@router.patch(
    "/{slug:provider}", auth=SECRETS, response=ProviderOut, operation_id="change_provider"
)
def change_provider(request: HttpRequest, provider: str, body: ProviderPatch) -> ProviderOut:
    """Moves a custom provider: its keys wait until their secrets are entered again."""
    permissions.require_site_admin(request.user)
    try:
        get(provider)
    except UnknownProvider:
        raise Http404("No such provider") from None
    lifecycle.change_base_url(Actor.of(request), provider, base_url=body.base_url)
    return _out(get(provider), _custom())


def _custom() -> set[str]:
    return set(Provider.objects.values_list("slug", flat=True))


def _out(spec: ProviderSpec, custom: set[str]) -> ProviderOut:
    return ProviderOut(
        slug=spec.slug,
        name=spec.name,
        base_url=spec.base_url,
        custom=spec.slug in custom,
        checkable=spec.probe is not None,
    )
