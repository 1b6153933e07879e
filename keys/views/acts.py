"""Acts on a key that only need a yes: disable, enable, revoke, finish and cancel a rotation."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from keys import lifecycle, permissions, providers
from keys.audit import Actor
from keys.forms.fields import ExtendForm
from keys.forms.keys import ConfirmForm, ElsewhereForm, TypedForm
from keys.models import AppKey, Key, ProviderKey
from keys.permissions import Act
from keys.states import KeyState, Stage
from keys.views.acting import ask, carry_out, done, person, posted, step_up

MISSED_SINCE = timedelta(days=7)  # a key used since then is one that somebody would miss


@dataclass(frozen=True, slots=True)
class Words:
    """How a page asks for an act and tells of it."""

    title: str
    button: str
    done: str
    danger: bool = False


WORDS: dict[str, Words] = {
    "disable": Words("Disable", "Disable", "is disabled"),
    "enable": Words("Enable", "Enable", "is in use again"),
    "revoke": Words("Revoke", "Revoke for good", "is revoked", danger=True),
    "finish": Words("End the overlap of", "End the overlap now", "uses the new secret alone"),
    "cancel": Words(
        "Go back to the old secret of",
        "Go back to the old one",
        "uses the secret from before",
        danger=True,
    ),
}
# The same two where a new secret waits for a word.
WAITING: dict[str, Words] = {
    "finish": Words("Use the waiting secret of", "Use it untested", "uses the new secret now"),
    "cancel": Words(
        "Drop the waiting secret of", "Drop it", "goes on with the secret it has", danger=True
    ),
}


@require_http_methods(["GET", "POST"])
def provider_key_act(request: HttpRequest, slug: str, id: str, name: str) -> HttpResponse:
    right = _act_of(name).right(ProviderKey.kind)
    key = permissions.get_provider_key(person(request), slug, id, right)
    return _act(request, key, name, reverse("provider_key", args=[slug, id]))


@require_http_methods(["GET", "POST"])
def app_key_act(request: HttpRequest, slug: str, id: str, name: str) -> HttpResponse:
    right = _act_of(name).right(AppKey.kind)
    key = permissions.get_app_key(person(request), slug, id, right)
    return _act(request, key, name, reverse("app_key", args=[slug, id]))


def _act_of(name: str) -> lifecycle.KeyAct:
    if name not in WORDS:
        raise Http404("No such act")
    return lifecycle.KEY_ACTS[name]


def _act(request: HttpRequest, key: Key, name: str, page: str) -> HttpResponse:
    waiting = key.versions.filter(stage__in=(Stage.PENDING, Stage.TESTED)).first()
    plain, words = _act_of(name), (waiting and WAITING.get(name)) or WORDS[name]
    if plain.step_up and (answer := step_up(request)):
        return answer
    form = _question(request, key, name, waits=waiting is not None)

    def act() -> HttpResponse:
        if isinstance(key, ProviderKey) and isinstance(form, ElsewhereForm) and form.chosen():
            refused = lifecycle.finish_everywhere(Actor.of(request), key, form.chosen())
            tell_refused(request, refused)
            return done(request, page, moved(key, len(form.chosen()) - len(refused)))
        plain.run(Actor.of(request), key)
        return done(request, page, f"{key.name} {words.done}.")

    spec = provider_of(key) if isinstance(key, ProviderKey) else None
    return carry_out(request, form, act, fresh=plain.step_up) or ask(
        request,
        "keys/act.html",
        form,
        back=page,
        key=key,
        name=name,
        plain=words,
        spec=spec,
        waiting=waiting,
    )


@require_http_methods(["GET", "POST"])
def provider_key_overlap(request: HttpRequest, slug: str, id: str) -> HttpResponse:
    key = permissions.get_provider_key(person(request), slug, id, Act.MANAGE_PROVIDER_KEYS)
    return _overlap(request, key, reverse("provider_key", args=[slug, id]))


@require_http_methods(["GET", "POST"])
def app_key_overlap(request: HttpRequest, slug: str, id: str) -> HttpResponse:
    key = permissions.get_app_key(person(request), slug, id, Act.ROTATE_APP_KEY)
    return _overlap(request, key, reverse("app_key", args=[slug, id]))


def _overlap(request: HttpRequest, key: Key, page: str) -> HttpResponse:
    """Let the old secret serve on."""
    if answer := step_up(request):
        return answer
    form = ExtendForm(posted(request))

    def act() -> HttpResponse:
        lifecycle.extend_overlap(Actor.of(request), key, overlap_seconds=form.overlap_seconds())
        return done(request, page, f"The old secret of {key.name} serves on.")

    previous = key.versions.filter(stage=Stage.PREVIOUS).first()
    return carry_out(request, form, act, fresh=True) or ask(
        request, "keys/overlap_extend.html", form, back=page, key=key, previous=previous
    )


def _question(
    request: HttpRequest, key: Key, name: str, *, waits: bool
) -> ConfirmForm | TypedForm | ElsewhereForm:
    """What is asked before an act: the key's name where calls would fail, or where else a new
    secret that waits is to be used."""
    if name in ("revoke", "disable") and in_use(key):
        return TypedForm(posted(request), name=key.name)
    stops = {"finish": Stage.PREVIOUS, "cancel": Stage.CURRENT}.get(name)
    if stops and isinstance(key, AppKey) and _used_since_the_rotation(key, stops):
        return TypedForm(posted(request), name=key.name)
    if name == "finish" and waits and isinstance(key, ProviderKey):
        others = manageable(request, lifecycle.same_current(key))
        return ElsewhereForm(posted(request), others=others)
    return ConfirmForm(posted(request))


def _used_since_the_rotation(key: AppKey, stops: Stage) -> bool:
    """Whether code called with the text that is to stop while the other one worked too."""
    current = key.versions.filter(stage=Stage.CURRENT).values("promoted_at").first()
    since = current and current["promoted_at"]
    return bool(since) and key.versions.filter(stage=stops, last_used_at__gt=since).exists()


def manageable(request: HttpRequest, keys: Iterable[ProviderKey]) -> list[ProviderKey]:
    """Those of these keys that this person may rotate and report."""
    right, who = Act.MANAGE_PROVIDER_KEYS, person(request)
    return [key for key in keys if permissions.may(who, key.application, right)]


def moved(key: ProviderKey, others: int) -> str:
    """That a key uses its new secret, and so many keys of other applications with it."""
    one = "so does one of another application"
    more = f", and {one if others == 1 else f'so do {others} of other applications'}"
    return f"{key.name} uses the new secret now{more if others else ''}."


def tell_refused(request: HttpRequest, refused: Mapping[ProviderKey, str]) -> None:
    """Say of keys of other applications why an act left them as they were."""
    for key, why in refused.items():
        messages.warning(request, f"{key.application.name} · {key.name}: {why}")


def in_use(key: Key) -> bool:
    """Whether somebody would miss it."""
    used = key.last_used_at is not None and key.last_used_at > timezone.now() - MISSED_SINCE
    return used and key.state == KeyState.ACTIVE


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
    place = [key.application.slug, key.pk]
    urls = {f"{name}_url": reverse(page, args=[*place, name]) for name in ("finish", "cancel")}
    return urls | {"extend_url": reverse(page.replace("_act", "_overlap"), args=place)}
