"""Audit events in a reader's words: what was done, to what, and how exactly."""

import re
from typing import Any

from django import template
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from keys.audit import Action
from keys.models import Application, AuditEvent

register = template.Library()

KINDS = {
    "provider_key": "Provider key",
    "app_key": "App key",
    "application": "Application",
    "user": "Person",
    "api_token": "REST token",
    "provider": "Provider",
    "master_key": "Master key",
    "vault": "Vault",
    "alert_rule": "Alert rule",
    "alert_channel": "Alert channel",
}
# Members of the detail that read better in other words.
WORDS = {"last4": "ends in", "overlap_seconds": "seconds of overlap"}
FOR_MACHINES = ("digest", "facts", "limits")
NAMES = ("name", "email")  # of what the event speaks of: said apart from the rest
# target kind -> the page that shows it, inside its application
PAGES = {
    "provider_key": "provider_key",
    "app_key": "app_key",
    "application": "application",
    "user": "application_people",
}
# How the filter groups the acts: a heading, and the first words of their names.
GROUPS = {
    "Provider keys": ("provider_key",),
    "App keys": ("app_key",),
    "Keys of both kinds": ("key", "batch"),
    "Rotations": ("rotation",),
    "Applications and members": ("application", "member"),
    "People": ("user", "admin"),
    "REST tokens": ("token",),
    "Providers": ("provider",),
    "Vault": ("vault", "data_key"),
    "Alerts and hygiene": ("alert_rule", "alert_channel", "hygiene"),
    "Ledger": ("quarantine", "comparison"),
    "Audit": ("audit",),
}
_CHUNK = re.compile(r"[^@]*@?")


@register.filter
def act_words(action: str) -> str:
    """`provider_key.revealed` as words: Provider key revealed."""
    return action.replace(".", " ").replace("_", " ").capitalize()


@register.simple_tag
def acts_by_kind() -> list[tuple[str, list[tuple[str, str]]]]:
    """Every act for the filter, grouped by what it is done to and by name inside: (act, words)."""
    return [
        (
            heading,
            sorted(
                ((str(act), act_words(act)) for act in Action if act.partition(".")[0] in kinds),
                key=lambda pair: pair[1],
            ),
        )
        for heading, kinds in GROUPS.items()
    ]


@register.filter
def detail_words(detail: dict[str, Any]) -> str:
    """An audit event's detail in one line, without the name of what it speaks of."""
    told = {name: value for name, value in detail.items() if name not in (*NAMES, *FOR_MACHINES)}
    return " · ".join(
        f"{_words(name)}: {_plain(value)}"
        for name, value in told.items()
        if value not in (None, "", [], {})
    )


@register.filter
def target_kind(event: AuditEvent) -> str:
    """App key, person …: what sort of thing the event speaks of."""
    kind = event.target.partition(":")[0]
    return KINDS.get(kind, act_words(kind))


@register.simple_tag
def target_name(event: AuditEvent, application: Application | None) -> str:
    """What the event speaks of, by the name it had then; by its id where none was kept."""
    kind, _, id = event.target.partition(":")
    named = next((event.detail[name] for name in NAMES if event.detail.get(name)), "")
    if not named and kind == "application" and application is not None:
        named = application.name
    return str(named or id)


@register.simple_tag
def target_link(event: AuditEvent, application: Application | None) -> str:
    """The page of what an event speaks of, "" when there is none any more."""
    kind, _, id = event.target.partition(":")
    if kind == "provider":
        return reverse("providers")
    if application is None or kind not in PAGES:
        return ""
    key = [id] if kind in ("provider_key", "app_key") else []
    return reverse(PAGES[kind], args=[application.slug, *key])


@register.filter
def breakable(text: str) -> SafeString:
    """An address that breaks after its @ rather than anywhere."""
    chunks = [chunk for chunk in _CHUNK.findall(text) if chunk]
    return format_html_join("", "{}<wbr>", ((chunk,) for chunk in chunks))


def _words(name: str) -> str:
    return WORDS.get(name, name.replace("_", " "))


def _plain(value: Any) -> str:
    """A value of JSON as people write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_plain, value))
    if isinstance(value, dict):
        return ", ".join(f"{_words(name)} {_plain(one)}" for name, one in value.items())
    return "none" if value is None else str(value)
