"""Mutated and swapped ciphertexts, by the million and by the table: none may open.

The suite runs a short form of each; `make prove` the long one.
"""

import random
from collections.abc import Iterator

import pytest

from keys import doctor, lifecycle, vault
from keys.audit import Actor
from keys.lifecycle.versions import slot_of
from keys.models import AppKeyVersion, Application, ProviderKey, ProviderKeyVersion
from keys.states import Stage
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
    slot = vault.provider_key_slot(application.pk, "key000000001", 1)
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


def rows_of(applications: int, keys: int) -> list[ProviderKeyVersion | AppKeyVersion]:
    """Versions of both kinds in several applications, two of each key."""
    for _ in range(applications):
        application = ApplicationFactory()
        for n in range(keys):
            key = lifecycle.create_app_key(SYSTEM, application, name=f"App {n}")[0]
            lifecycle.rotate_app_key(SYSTEM, key)
    return [
        *AppKeyVersion.objects.select_related("key"),
        *ProviderKeyVersion.objects.select_related("key"),
    ]


def undetected_swaps(rows: list[ProviderKeyVersion | AppKeyVersion]) -> tuple[int, int]:
    """Every row's sealed text put into every other row's place: how many tried, how many open."""
    tried = opened = 0
    for into in rows:
        slot = slot_of(into.key, into.number)
        for taken in rows:
            if taken is into:
                continue
            tried += 1
            try:
                vault.unseal(slot, taken.sealed)
            except Undecryptable:
                continue
            opened += 1
    return tried, opened


def test_no_row_opens_in_another_rows_place(application: Application) -> None:
    tried, opened = undetected_swaps(rows_of(2, 2))
    assert (tried, opened) == (56, 0)


def undetected_rollbacks(
    acme: Acme, actor: Actor, application: Application, keys: int
) -> tuple[int, int]:
    """Keys put back to an older version, or to an older sealed text; how many the doctor misses."""
    made = [_rotated(acme, actor, application, n) for n in range(keys)]
    old = dict(ProviderKeyVersion.objects.values_list("pk", "sealed"))
    lifecycle.start_data_key_rotation(SYSTEM, application)
    for _ in lifecycle.reseal(SYSTEM, application):
        pass
    assert doctor.examine().findings == []
    missed = 0
    for key in made:
        current = key.versions.get(stage=Stage.CURRENT)
        older = key.versions.get(number=current.number - 1)
        for restore in (_put_back_the_version, _put_back_the_text):
            restore(current, older, old)
            missed += not any(f.key == f"provider_key:{key.pk}" for f in doctor.examine().findings)
            older.save()
            current.save()
    assert doctor.examine().findings == []
    return 2 * len(made), missed


def _rotated(acme: Acme, actor: Actor, application: Application, n: int) -> ProviderKey:
    first, second = acme.knows(f"first-secret-{n:04}"), acme.knows(f"second-secret-{n:04}")
    key = lifecycle.add_provider_key(
        actor, application, name=f"Key {n}", provider="acme", secret=first
    )
    lifecycle.rotate_provider_key(actor, key, secret=second)
    return key


def _put_back_the_version(
    current: ProviderKeyVersion, older: ProviderKeyVersion, old: dict[int, str]
) -> None:
    ProviderKeyVersion.objects.filter(pk=current.pk).update(stage=Stage.RETIRED)
    ProviderKeyVersion.objects.filter(pk=older.pk).update(stage=Stage.CURRENT)


def _put_back_the_text(
    current: ProviderKeyVersion, older: ProviderKeyVersion, old: dict[int, str]
) -> None:
    ProviderKeyVersion.objects.filter(pk=current.pk).update(sealed=old[current.pk])


def test_no_rollback_of_a_row_stays_undetected(
    acme: Acme, actor: Actor, application: Application
) -> None:
    assert undetected_rollbacks(acme, actor, application, 2) == (4, 0)


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_no_swap_or_rollback_of_a_hundred_rows_stays_undetected(
    acme: Acme, actor: Actor, application: Application
) -> None:
    tried, opened = undetected_swaps(rows_of(5, 10))
    print(f"{tried} row swaps, {opened} opened")
    assert (tried, opened) == (100 * 99, 0)
    rolled, missed = undetected_rollbacks(acme, actor, application, 50)
    print(f"{rolled} row rollbacks, {missed} undetected")
    assert (rolled, missed) == (100, 0)
