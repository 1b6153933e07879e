"""Template tags of every page: icons, local times, badges, the two keys' words."""

import re
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from django import template
from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.forms import BoundField
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from keys import attention
from keys.states import KeyState, Stage, Verdict

register = template.Library()

TWO_KEYS = (
    "The provider key is what ModelsLab gave you; it stays here. "
    "The app key is what Keydeck gives your code; it stands in for the provider key."
)

# value -> (colour, icon, words)
BADGES: dict[str, tuple[str, str, str]] = {
    Verdict.LIVE: ("green", "circle-check", "live"),
    Verdict.LIMITED: ("yellow", "alert-circle", "limited"),
    Verdict.EXHAUSTED: ("orange", "wallet", "exhausted"),
    Verdict.DEAD: ("red", "circle-x", "dead"),
    Verdict.UNKNOWN: ("secondary", "info-circle", "unknown"),
    Verdict.UNCHECKED: ("secondary", "circle-dashed", "not checked yet"),
    Verdict.UNDECRYPTABLE: ("red", "lock", "can’t be decrypted"),
    KeyState.ACTIVE: ("green", "player-play", "active"),
    KeyState.DISABLED: ("yellow", "player-pause", "disabled"),
    KeyState.REVOKED: ("red", "ban", "revoked"),
    KeyState.EXPIRED: ("secondary", "hourglass", "expired"),
    Stage.PENDING: ("blue", "hourglass", "pending"),
    Stage.TESTED: ("blue", "check", "tested"),
    Stage.CURRENT: ("green", "circle-check", "current"),
    Stage.PREVIOUS: ("yellow", "history", "previous"),
    Stage.RETIRED: ("secondary", "ban", "retired"),
    Stage.FAILED: ("red", "circle-x", "failed"),
    "dropped": ("secondary", "x", "dropped"),  # failed by a person's word, not the provider's
}


@lru_cache
def _drawing(name: str) -> str:
    # Collected files first; a checkout that never collected has the packages' own.
    path = f"vendor/icons/{name}.svg"
    if staticfiles_storage.exists(path):
        with staticfiles_storage.open(path) as file:
            text = file.read().decode()
    elif found := finders.find(path):
        text = Path(found).read_text()
    else:
        return ""
    return "".join(re.findall(r"<(?:path|circle|rect|line|polyline)\b[^>]*/>", text))


@register.simple_tag
def icon(name: str, classes: str = "") -> SafeString:
    """An icon of the set in config/npm.py, drawn inline; words beside it carry the meaning."""
    return format_html(
        '<svg class="icon {}" viewBox="0 0 24 24" fill="none" stroke="currentColor"'
        ' stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">{}</svg>',
        classes,
        mark_safe(_drawing(name)),  # noqa: S308 - our own static file
    )


@register.simple_tag
def single_sign_on() -> str:
    """The sign-in server's name for people; empty where there is none."""
    return settings.OIDC_NAME if settings.OIDC_URL else ""


@register.simple_tag
def badge(value: str, title: str = "") -> SafeString:
    """A state, stage or verdict as a coloured word."""
    color, picture, words = BADGES.get(value, ("secondary", "info-circle", value))
    return format_html(
        '<span class="badge bg-{}-lt kd-badge" title="{}">{}{}</span>',
        color,
        title,
        icon(picture),
        words,
    )


@register.simple_tag
def when(value: datetime | str | None, style: str = "relative", never: str = "never") -> SafeString:
    """A time for static/js/time.js to say in the reader's zone; readable without it."""
    if isinstance(value, str) and value:
        value = datetime.fromisoformat(value)
    if not value:
        return format_html('<span class="text-secondary">{}</span>', never)
    return format_html(
        '<time datetime="{}" data-style="{}">{}</time>',
        value.isoformat(),
        style,
        f"{value:%d %b %Y, %H:%M} UTC",
    )


@register.simple_tag
def two_keys() -> str:
    """The two keys in one breath, the same words wherever they are needed."""
    return TWO_KEYS


@register.filter
def masked(last4: str) -> str:
    """The end of a secret, as lists show it."""
    return f"••••{last4}"


@register.filter
def dollars(amount: Decimal) -> str:
    """A price to its last digit: $0.0047; a dash for nothing."""
    return f"${amount.normalize():f}" if amount else "–"


@register.filter
def browser(agent: str) -> str:
    """A user agent as people know it: Firefox on Linux. Else its first words."""
    names = ("Edg", "OPR", "Firefox", "Chrome", "Safari")
    systems = ("Android", "iPhone", "iPad", "Windows", "Mac OS X", "Linux")
    name = next((one for one in names if f"{one}/" in agent), "")
    system = next((one for one in systems if one in agent), "")
    told = {"Edg": "Edge", "OPR": "Opera", "Mac OS X": "macOS"}
    parts = [told.get(word, word) for word in (name, system) if word]
    return " on ".join(parts) or agent[:40] or "Unknown browser"


@register.filter
def duration(seconds: int) -> str:
    """A number of seconds as people say it: 15 minutes, 1 hour, 24 hours."""
    size, word = next(unit for unit in _UNITS if seconds >= unit[0])
    return f"{seconds / size:g} {word}{'' if seconds == size else 's'}"


@register.filter
def commands(text: str) -> SafeString:
    """A sentence of ours with what is to be typed, between backticks, set as code."""
    parts = enumerate(text.split("`"))
    return format_html_join("", "{}", ((_code(part) if at % 2 else part,) for at, part in parts))


def _code(text: str) -> SafeString:
    return format_html("<code>{}</code>", text)


@register.filter
def of(mapping: dict[str, Any], name: str) -> Any:
    """`mapping[name]`, or nothing."""
    return mapping.get(name, "")


@register.simple_tag(takes_context=True)
def nav_item(
    context: template.Context, name: str, words: str, picture: str, count: str = ""
) -> SafeString:
    """An entry of the main menu, marked when the page lies at or below it."""
    url = reverse(name)
    path = context["request"].path
    here = path == url or (url != "/" and path.startswith(url))
    return format_html(
        '<li class="nav-item{}"><a class="nav-link" href="{}"{}>'
        '<span class="nav-link-icon">{}</span><span class="nav-link-title">{}</span>{}</a></li>',
        " active" if here else "",
        url,
        mark_safe(' aria-current="page"' if here else ""),  # noqa: S308 - a constant
        icon(picture),
        words,
        count,
    )


@register.simple_tag
def vault_sealed() -> bool:
    """Whether the vault is sealed, for the banner of every page."""
    return attention.sealed()


_UNITS = ((3600, "hour"), (60, "minute"), (1, "second"))
_CLASSES = {"checkbox": "form-check-input", "select": "form-select"}


@register.simple_tag
def control(field: BoundField) -> SafeString:
    """A form field's control with the look of the pages, marked when it has errors."""
    classes = _CLASSES.get(field.widget_type, "form-control")
    if field.widget_type in ("radioselect", "checkboxselectmultiple"):
        classes = "form-check-input"
    if field.errors:
        classes += " is-invalid"
    extra = field.field.widget.attrs.get("class", "")
    return field.as_widget(attrs={"class": f"{classes} {extra}".strip()})
