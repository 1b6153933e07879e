"""Mutated and swapped ciphertexts, by the million and by the table: none may open.

The suite runs a short form of each; `make prove` the long one.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from copy import copy
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from keys import doctor, lifecycle, vault
from keys.audit import Actor
from keys.lifecycle.versions import slot_of
from keys.models import AppKey, AppKeyVersion, Application, Key, Provider, ProviderKeyVersion
from keys.vault import Secret, Undecryptable
from tests.factories import ApplicationFactory
from tests.keys.conftest import Acme

pytestmark = pytest.mark.django_db(transaction=True)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=."
SYSTEM = Actor.system("test")


def mutations(chance: random.Random, stored: str, other: str) -> Iterator[str]:
    """Bit flips, truncations and splices, without end."""
    while True:
        place = chance.randrange(len(stored))
        kind = chance.randrange(6)
        if kind == 0:  # one bit of the text
            flipped = chr(ord(stored[place]) ^ (1 << chance.randrange(7)))
            mutated = stored[:place] + flipped + stored[place + 1 :]
        elif kind == 1:  # one digit, so that the token stays well formed
            mutated = stored[:place] + chance.choice(ALPHABET) + stored[place + 1 :]
        elif kind == 2:
            mutated = stored[:place]
        elif kind == 3:
            mutated = stored[: place + 1] + stored[place:]
        elif kind == 4:  # the head of one and the tail of another
            mutated = stored[:place] + other[place:]
        else:
            end = chance.randrange(place, len(stored))
            mutated = stored[:place] + other[place:end] + stored[end:]
        if mutated not in (stored, other):
            yield mutated


def accepted(application: Application, count: int) -> int:
    chance = random.Random(20261126)
    slot = vault.provider_key_slot(application.pk, "key000000001", 1, "acme", "")
    stored = vault.seal(slot, Secret("the secret of a provider, 40 characters"))
    other = vault.seal(slot, Secret("another secret of it, as long as that.."))
    found = 0
    for _, mutated in zip(range(count), mutations(chance, stored, other), strict=False):
        try:
            vault.unseal(slot, mutated)
        except Undecryptable:
            continue
        found += 1
    return found


def test_no_mutated_ciphertext_is_accepted(application: Application) -> None:
    assert accepted(application, 5_000) == 0


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_no_mutated_ciphertext_of_a_million_is_accepted(application: Application) -> None:
    found = accepted(application, 1_000_000)
    print(f"1,000,000 mutated ciphertexts, {found} accepted")
    assert found == 0


def rows_of(acme: Acme, applications: int, keys: int) -> list[ProviderKeyVersion | AppKeyVersion]:
    """Versions of both kinds in several applications: two of each app key, one of each provider
    key. The last application shows its app keys once."""
    for some in range(applications):
        application = ApplicationFactory(show_app_keys_once=some == applications - 1)
        for n in range(keys):
            key = lifecycle.create_app_key(SYSTEM, application, name=f"App {n}")[0]
            lifecycle.rotate_app_key(SYSTEM, key)
            secret = acme.knows(f"secret-{some}-{n}-of-acme")
            lifecycle.add_provider_key(
                SYSTEM, application, name=f"Acme {n}", provider="acme", secret=secret
            )
    return [
        *AppKeyVersion.objects.select_related("key__application"),
        *ProviderKeyVersion.objects.select_related("key__application"),
    ]


FIELDS = ("sealed", "hash", "both")


def put_into(
    into: ProviderKeyVersion | AppKeyVersion, taken: ProviderKeyVersion | AppKeyVersion, field: str
) -> bool:
    """Put another row's text, or the hash that it is found by, or both, into this row's place;
    whether it has such a field."""
    hashed = "lookup" if isinstance(into, AppKeyVersion) else "fingerprint"
    names = {"sealed": ["sealed"], "hash": [hashed], "both": ["sealed", hashed]}[field]
    if not all(hasattr(taken, name) for name in names):
        return False
    if field == "sealed" and isinstance(into, AppKeyVersion) and not taken.sealed:
        return False  # as it is where app keys are shown once
    for name in names:
        setattr(into, name, getattr(taken, name))
    return True


def undetected_swaps(rows: list[ProviderKeyVersion | AppKeyVersion]) -> tuple[int, int, int]:
    """Every row's text and hash put into every other row's place: how many tried, how many texts
    open there, and how many the doctor misses."""
    trail = doctor.read_trail()
    tried = opened = missed = 0
    for row in rows:
        slot = slot_of(row.key, row)
        for taken in rows:
            for field in FIELDS:
                into = copy(row)
                if taken is row or not put_into(into, taken, field):
                    continue
                tried += 1
                missed += doctor.look(into, trail) == ""
                with suppress(Undecryptable):
                    if field == "sealed":
                        vault.unseal(slot, into.sealed)
                        opened += 1
    return tried, opened, missed


def test_no_row_opens_in_another_rows_place(acme: Acme) -> None:
    tried, opened, missed = undetected_swaps(rows_of(acme, 2, 2))
    assert tried > 12 * 11
    assert (opened, missed) == (0, 0)


def rotate(key: Key, seconds: int = 86400) -> None:
    if isinstance(key, AppKey):
        lifecycle.rotate_app_key(SYSTEM, key, overlap_seconds=seconds)
    else:
        options = {"overlap_seconds": seconds, "accept_untested": True}
        lifecycle.rotate_provider_key(SYSTEM, key, secret=f"second-of-{key.pk}", **options)


def replace(key: Key) -> None:
    new = {"replace": True} if isinstance(key, AppKey) else {"secret": f"third-of-{key.pk}"}
    lifecycle.report_compromised(SYSTEM, key, reason="leaked", **new)


def reseal(key: Key) -> None:
    lifecycle.start_data_key_rotation(SYSTEM, key.application)
    for _ in lifecycle.reseal(SYSTEM, key.application):
        pass


def nothing(key: Key) -> None:
    """Before an act that needs no other one first."""


# Each ends something of a key: what has to be done first, and the act that is rolled back.
ENDS: list[tuple[Callable[[Key], object], Callable[[Key], object]]] = [
    (nothing, lambda key: rotate(key, 0)),
    (rotate, lambda key: lifecycle.finish_rotation(SYSTEM, key)),
    (rotate, lambda key: lifecycle.end_overlaps(timezone.now() + timedelta(days=2))),
    (rotate, lambda key: lifecycle.cancel_rotation(SYSTEM, key)),
    (nothing, replace),
    (nothing, reseal),
    (nothing, lambda key: lifecycle.disable(SYSTEM, key)),
    (nothing, lambda key: lifecycle.revoke(SYSTEM, key)),
    (nothing, lambda key: lifecycle.report_compromised(SYSTEM, key, reason="leaked")),
]


def rows(key: Key) -> list[dict[str, Any]]:
    """The key's row and those of its versions, as they are."""
    return [*type(key).objects.filter(pk=key.pk).values(), *key.versions.values()]


def put_back(key: Key, old: list[dict[str, Any]]) -> None:
    """Past Keydeck, as a restored backup would."""
    key.versions.all().delete()
    type(key).objects.filter(pk=key.pk).update(**old[0])
    for row in old[1:]:
        key.versions.create(**row)


def undetected_rollbacks(blind: Provider, times: int) -> tuple[int, int]:
    """Keys whose rows are put back to before what ended something of them; how many rollbacks
    were tried, and how many the doctor misses."""
    tried = missed = 0
    for prepare, end in ENDS * times:
        application = ApplicationFactory()
        made: list[Key] = [
            lifecycle.create_app_key(SYSTEM, application, name="Web")[0],
            lifecycle.add_provider_key(
                SYSTEM, application, name="Main", provider="blind", secret=f"first-of-{tried}"
            ),
        ]
        for key in made:
            prepare(key)
            old = rows(key)
            end(key)
            new = rows(key)
            assert not found(key)
            put_back(key, old)
            tried += 1
            missed += not found(key)
            put_back(key, new)
    assert doctor.examine().findings == []
    return tried, missed


def found(key: Key) -> list[doctor.Finding]:
    return [one for one in doctor.examine().findings if one.key == key.target]


def test_no_rollback_of_a_row_stays_undetected(blind: Provider) -> None:
    assert undetected_rollbacks(blind, 1) == (18, 0)


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_no_swap_or_rollback_of_a_hundred_rows_stays_undetected(
    acme: Acme, blind: Provider
) -> None:
    tried, opened, missed = undetected_swaps(rows_of(acme, 5, 7))
    print(f"{tried} row swaps, {opened} opened, {missed} undetected")
    assert (opened, missed) == (0, 0)
    assert tried > 100 * 99
    rolled, missed = undetected_rollbacks(blind, 6)
    print(f"{rolled} row rollbacks, {missed} undetected")
    assert (rolled, missed) == (108, 0)
