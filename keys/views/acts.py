"""Acts on a key that only need a yes: disable, enable, revoke, finish and cancel a rotation."""

from collections.abc import Callable
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from keys import lifecycle, permissions, providers
from keys.audit import Actor
from keys.forms.keys import ConfirmForm
from keys.models import AppKey, ProviderKey
from keys.permissions import Act
from keys.views.acting import ask, carry_out, done, person, posted, step_up

Key = ProviderKey | AppKey


@dataclass(frozen=True, slots=True)
class Plain:
    """One act: what carries it out, who may, and its words."""

    run: Callable[[Actor, Key], object]
    app_key_act: Act
    title: str
    button: str
    done: str
    danger: bool = False
    fresh: bool = True


PLAIN: dict[str, Plain] = {
    "disable": Plain(
        lifecycle.disable, Act.REVOKE_APP_KEY, "Disable", "Disable", "is disabled", fresh=False
    ),
    "enable": Plain(
        lifecycle.enable, Act.REVOKE_APP_KEY, "Enable", "Enable", "is in use again", fresh=False
    ),
    "revoke": Plain(
        lifecycle.revoke, Act.REVOKE_APP_KEY, "Revoke", "Revoke for good", "is revoked", danger=True
    ),
    "finish": Plain(
        lifecycle.finish_rotation,
        Act.ROTATE_APP_KEY,
        "Finish the rotation of",
        "Finish now",
        "uses the new secret alone",
    ),
    "cancel": Plain(
        lifecycle.cancel_rotation,
        Act.ROTATE_APP_KEY,
        "Cancel the rotation of",
        "Cancel the rotation",
        "uses the secret from before",
        danger=True,
    ),
}


@require_http_methods(["GET", "POST"])
def provider_key_act(request: HttpRequest, slug: str, id: str, name: str) -> HttpResponse:
    _plain(name)
    user = person(request)
    key = permissions.get_provider_key(user, slug, id, Act.MANAGE_PROVIDER_KEYS)
    return _act(request, key, name, reverse("provider_key", args=[slug, id]))


@require_http_methods(["GET", "POST"])
def app_key_act(request: HttpRequest, slug: str, id: str, name: str) -> HttpResponse:
    key = permissions.get_app_key(person(request), slug, id, _plain(name).app_key_act)
    return _act(request, key, name, reverse("app_key", args=[slug, id]))


def _plain(name: str) -> Plain:
    if name not in PLAIN:
        raise Http404("No such act")
    return PLAIN[name]


def _act(request: HttpRequest, key: Key, name: str, page: str) -> HttpResponse:
    plain = _plain(name)
    if plain.fresh and (answer := step_up(request)):
        return answer
    form = ConfirmForm(posted(request))

    def act() -> HttpResponse:
        plain.run(Actor.of(request), key)
        return done(request, page, f"{key.name} {plain.done}.")

    spec = provider_of(key) if isinstance(key, ProviderKey) else None
    return carry_out(request, form, act, fresh=plain.fresh) or ask(
        request, "keys/act.html", form, back=page, key=key, name=name, plain=plain, spec=spec
    )


def provider_of(key: ProviderKey) -> providers.ProviderSpec | None:
    """The key's provider; None when it was taken away."""
    try:
        return providers.get(key.provider)
    except providers.UnknownProvider:
        return None


def rotation_urls(page: str, key: Key, allowed: bool) -> dict[str, str]:
    """Where the rotation panel's two buttons lead, for those who may use them."""
    if not allowed:
        return {}
    names = ("finish", "cancel")
    return {f"{n}_url": reverse(page, args=[key.application.slug, key.pk, n]) for n in names}
