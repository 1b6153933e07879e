"""What a condition is: its parameters, and a pure function from facts to findings."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse

from keys.models import Application, Key
from usage.alerts.facts import Facts, Scope

Params = Mapping[str, Any]
DANGER, WARNING, INFO = "danger", "warning", "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """One subject for which a condition holds now."""

    subject: str
    what: str  # in a word; a change of it is told anew
    level: str
    title: str
    evidence: str
    cause: str
    remedy: str
    url: str  # path of the page to look at
    application: str = ""  # id
    provider: str = ""
    since: datetime | None = None  # when it began, where that is known


@dataclass(frozen=True, slots=True)
class Param:
    """A number, or with `choices` some of a list, that a rule gives its condition."""

    name: str
    default: Any
    least: float = 0
    most: float = 0
    whole: bool = True
    choices: tuple[str, ...] = ()
    many: bool = False  # several of the choices


@dataclass(frozen=True, slots=True)
class Condition:
    """`every`: seconds between looks. `scopes`: what a rule of this kind may be narrowed to."""

    slug: str
    title: str
    params: tuple[Param, ...]
    find: Callable[[Facts, Scope, Params], Iterable[Finding]]
    every: float = 60.0
    site_only: bool = False  # it speaks of the installation, not of any application
    told_elsewhere: bool = False  # the overview says the same without a rule


def name_of(key: Key) -> str:
    return f"{key.application.name} · {key.name}"


def page_of(key: Key) -> str:
    return reverse(key.kind, args=[key.application.slug, key.pk])


def page_of_application(application: Application) -> str:
    return reverse("application", args=[application.slug])


def plural(count: float, word: str) -> str:
    """`1 call`, `2,000 calls`."""
    return f"{count:,.0f} {word}{'' if count == 1 else 's'}"
