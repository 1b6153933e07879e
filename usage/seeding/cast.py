"""Who calls: applications, provider keys and app keys, made through `keys.lifecycle`."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from keys import lifecycle
from keys.audit import Actor
from keys.lifecycle import provider_keys
from keys.models import AppKey, AppKeyVersion, Application, ProviderKey, ProviderKeyVersion
from keys.vault import Secret
from usage.seeding.rhythm import outages

SLUG = "seeded-"
NAMES = ("Shop", "Studio", "Support desk", "Newsroom", "Back office", "Mobile")
WORKS = (
    "Website",
    "Nightly batch",
    "Search",
    "Thumbnails",
    "Checkout",
    "Chat",
    "Importer",
    "Tests",
)
AGENTS = ("python-requests/2.32.3", "okhttp/4.12.0", "node", "curl/8.5.0", "Go-http-client/2.0")
# The places of some among all, the busiest first.
ROTATED, SPENT, WRAPPED = 1, 2, 4
AT_ONCE = 200  # keys in one transaction
OUT = "openai"  # the provider that has outages


@dataclass(frozen=True, slots=True)
class Part:
    """One app key, or work inside Keydeck, and how it behaves. Times are epoch milliseconds."""

    application: str
    app_key: str  # empty: the wrapper's
    provider: str
    provider_keys: tuple[str, ...]
    address: str
    user_agent: str
    mood: str = "plain"
    mood_since: int = 0
    rotated_at: int = 0  # 0: never
    caller: str = ""  # the wrapper's label


class Outage(NamedTuple):
    """A provider is out of order. Times are epoch milliseconds."""

    provider: str
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Cast:
    parts: list[Part]  # the busiest first
    since: datetime
    until: datetime
    outages: list[Outage] = field(default_factory=list)

    @property
    def since_ms(self) -> int:
        return round(self.since.timestamp() * 1000)

    @property
    def until_ms(self) -> int:
        return round(self.until.timestamp() * 1000)


def seeded() -> list[str]:
    """Ids of the applications whose usage is made up."""
    return list(Application.objects.filter(slug__startswith=SLUG).values_list("pk", flat=True))


def make_cast(
    actor: Actor, *, keys: int, since: datetime, until: datetime, luck: random.Random
) -> Cast:
    """Applications with `keys` app keys between them. Raises LifecycleError and VaultError."""
    houses = [_house(actor, name) for name in NAMES[: max(1, min(len(NAMES), keys))]]
    cast = Cast([], since, until)
    for start in range(0, keys, AT_ONCE):
        with transaction.atomic():  # a transaction for each key would wait for the disk each time
            numbers = range(start, min(keys, start + AT_ONCE))
            cast.parts.extend(_part(actor, houses, n, cast, luck) for n in numbers)
    _age(houses, since)
    cast.outages.extend(Outage(OUT, *span) for span in outages(cast.since_ms, cast.until_ms))
    return cast


@dataclass(frozen=True, slots=True)
class _House:
    application: Application
    pools: dict[str, tuple[str, ...]]  # provider -> ids of its keys


def _house(actor: Actor, name: str) -> _House:
    slug = SLUG + name.lower().replace(" ", "-")
    with transaction.atomic():
        application = lifecycle.create_application(actor, name=f"Seeded {name}", slug=slug)
        pools = {provider: tuple(_pool(actor, application, provider)) for provider in _providers()}
    return _House(application, pools)


def _providers() -> tuple[str, ...]:
    return (*(["sandbox"] if settings.DEMO else []), "modelslab", "openai", "anthropic")


def _pool(actor: Actor, application: Application, provider: str) -> Iterator[str]:
    for number, name in enumerate(("main account", "second account"), 1):
        secret = Secret(f"{provider}-live-{application.slug}-{number}")
        key = ProviderKey(name=f"{provider} {name}", provider=provider)
        provider_keys.insert(actor, application, key, secret)
        if provider != "sandbox":
            # Its secret is made up: no provider is to be asked about it.
            lifecycle.disable(actor, key)
        yield key.pk


def _part(actor: Actor, houses: list[_House], number: int, cast: Cast, luck: random.Random) -> Part:
    house = houses[number % len(houses)]
    provider = luck.choice(list(house.pools))
    pool, mood, mood_since = house.pools[provider], *_mood(number, cast)
    is_rotated = number == ROTATED
    wrapped = number == WRAPPED
    return Part(
        application=house.application.pk,
        app_key="" if wrapped else _app_key(actor, house, number // len(houses), is_rotated),
        provider=provider,
        provider_keys=pool[1:] if mood == "spent" else pool,
        address="" if wrapped else f"10.{number >> 8 & 255}.{number & 255}.{luck.randint(2, 250)}",
        user_agent="" if wrapped else luck.choice(AGENTS),
        mood=mood,
        mood_since=mood_since,
        rotated_at=cast.since_ms + (cast.until_ms - cast.since_ms) * 2 // 3 if is_rotated else 0,
        caller="nightly-batch" if wrapped else "",
    )


def _app_key(actor: Actor, house: _House, turn: int, is_rotated: bool) -> str:
    name = WORKS[turn % len(WORKS)] + (f" {turn // len(WORKS) + 1}" if turn >= len(WORKS) else "")
    key, _ = lifecycle.create_app_key(actor, house.application, name=name)
    if is_rotated:
        lifecycle.rotate_app_key(actor, key, shown=False)
    return key.pk


def _mood(number: int, cast: Cast) -> tuple[str, int]:
    """The third key's account runs dry half-way, and one in seventeen is called carelessly."""
    if number == SPENT:
        return "spent", (cast.since_ms + cast.until_ms) // 2
    return ("careless", 0) if number % 17 == 5 else ("plain", 0)


def _age(houses: list[_House], since: datetime) -> None:
    """What was made just now has been there since before the first call."""
    made = since - timedelta(days=1)
    ids = [house.application.pk for house in houses]
    Application.objects.filter(pk__in=ids).update(created_at=made)
    AppKey.objects.filter(application__in=ids).update(created_at=made)
    ProviderKey.objects.filter(application__in=ids).update(created_at=made)
    first_app = AppKeyVersion.objects.filter(key__application__in=ids, number=1)
    first_app.update(created_at=made, promoted_at=made)
    first = ProviderKeyVersion.objects.filter(key__application__in=ids, number=1)
    first.update(created_at=made, promoted_at=made)
