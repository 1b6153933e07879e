"""Sealing: a sealed text opens at its own slot, and nowhere else, and unaltered only."""

import base64

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from keys import vault
from keys.models import Application, DataKey
from keys.vault import Sealed, Secret, Slot, Undecryptable
from tests.factories import ApplicationFactory

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
property_test = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def slot(application: Application) -> Slot:
    return vault.provider_key_slot(application.pk, "key000000001", 1, "acme", "")


@property_test
@given(text=st.text(min_size=1, max_size=300).filter(lambda text: _encodable(text)))
def test_what_is_sealed_opens_again(slot: Slot, text: str) -> None:
    assert vault.unseal(slot, vault.seal(slot, Secret(text))).reveal() == text


def _encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def test_the_sealed_text_tells_its_scheme_and_data_key(slot: Slot) -> None:
    scheme, version, token = vault.seal(slot, Secret("s3cret-s3cret")).split(".")
    assert (scheme, version) == ("kd1", "1")
    assert "s3cret" not in base64.urlsafe_b64decode(token).decode("latin-1")


def test_the_same_secret_is_never_sealed_to_the_same_text(slot: Slot) -> None:
    assert vault.seal(slot, Secret("same")) != vault.seal(slot, Secret("same"))


@property_test
@given(data=st.data())
def test_no_altered_text_opens(slot: Slot, data: st.DataObject) -> None:
    stored = vault.seal(slot, Secret("the provider's secret"))
    mutated = _mutated(stored, data)
    assume(mutated != stored)
    with pytest.raises(Undecryptable):
        vault.unseal(slot, mutated)


def _mutated(stored: str, data: st.DataObject) -> str:
    place = data.draw(st.integers(0, len(stored) - 1))
    kind = data.draw(st.sampled_from(["replace", "insert", "delete", "cut", "pad", "swap"]))
    character = data.draw(st.sampled_from(ALPHABET + "=.+/ \n\t") | st.characters(codec="utf-8"))
    if kind == "replace":
        return stored[:place] + character + stored[place + 1 :]
    if kind == "insert":
        return stored[:place] + character + stored[place:]
    if kind == "delete":
        return stored[:place] + stored[place + 1 :]
    if kind == "cut":
        return stored[:place]
    if kind == "pad":
        return stored + character
    other = data.draw(st.integers(0, len(stored) - 1))
    letters = list(stored)
    letters[place], letters[other] = letters[other], letters[place]
    return "".join(letters)


def test_every_other_spelling_of_the_same_token_is_refused(slot: Slot) -> None:
    # 20 bytes of plaintext end the token in "=": the last digit has bits that carry nothing.
    for size in range(1, 40):
        stored = vault.seal(slot, Secret("x" * size))
        body = stored.rstrip("=")
        padding = stored[len(body) :]
        spellings = [body, stored + "=", stored + "\n", stored[:9] + "\n" + stored[9:]]
        for last in ALPHABET if padding else "":
            if last != body[-1]:
                spellings.append(body[:-1] + last + padding)
        spellings += [stored.replace("kd1.1.", given, 1) for given in ("kd1.01.", "kd1.+1.")]
        for spelling in spellings:
            if spelling != stored:
                with pytest.raises(Undecryptable):
                    vault.unseal(slot, spelling)


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "kd1", "kd1.", "kd1..", "kd1.1", "kd1.1.", "kd1.0.x", "kd1.x.y", "kd2.1.x",
     "kd1.²." + "A" * 100, "kd1.9999999999." + "A" * 100, "kd1.1." + "é" * 100],
)  # fmt: skip
def test_what_is_no_sealed_text_is_refused(slot: Slot, text: str) -> None:
    with pytest.raises(Undecryptable):
        vault.unseal(slot, text)


@property_test
@given(data=st.data())
def test_a_text_moved_to_another_slot_does_not_open(
    application: Application, data: st.DataObject
) -> None:
    texts = st.sampled_from(["a", "b", "ab", "", "a:b", "1", "11"])
    slots = st.builds(
        Slot, st.just(application.pk), texts, st.integers(1, 30), texts.map(lambda t: t + "field")
    )
    one, other = data.draw(slots), data.draw(slots)
    assume(one != other)
    with pytest.raises(Undecryptable):
        vault.unseal(other, vault.seal(one, Secret("secret")))


@property_test
@given(
    parts=st.tuples(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5)),
    other=st.tuples(st.text(max_size=5), st.text(max_size=5), st.text(max_size=5)),
)
def test_no_two_slots_are_encoded_alike(
    parts: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    assume(parts != other and all(map(_encodable, (*parts, *other))))
    one = Slot(parts[0], parts[1], 1, parts[2])
    assert one.encode() != Slot(other[0], other[1], 1, other[2]).encode()


def test_one_applications_data_key_does_not_open_another_applications_secret(
    application: Application,
) -> None:
    other = ApplicationFactory()
    stored = vault.seal(vault.provider_key_slot(other.pk, "k", 1, "acme", ""), Secret("theirs"))
    for slot in (
        vault.provider_key_slot(application.pk, "k", 1, "acme", ""),
        Slot("", "k", 1, "provider_key"),
    ):
        with pytest.raises(Undecryptable):
            vault.unseal(slot, stored)
    # Not even with the rows of the two data keys exchanged.
    mine, theirs = application.data_keys.get(), other.data_keys.get()
    DataKey.objects.filter(pk=mine.pk).update(wrapped=theirs.wrapped, master=theirs.master)
    with pytest.raises(Undecryptable):
        vault.unseal(vault.provider_key_slot(application.pk, "k", 1, "acme", ""), stored)
    # Nor is anything sealed under a data key that isn't this application's own.
    with pytest.raises(Undecryptable, match="moved from another place"):
        vault.seal(vault.provider_key_slot(application.pk, "k", 1, "acme", ""), Secret("mine"))


def test_without_its_master_key_everything_is_sealed(slot: Slot, settings: object) -> None:
    stored = vault.seal(slot, Secret("secret"))
    settings.MASTER_KEYS = base64.urlsafe_b64encode(b"m" * 32).decode()  # type: ignore[attr-defined]
    with pytest.raises(Sealed):
        vault.unseal(slot, stored)
    with pytest.raises(Sealed):
        vault.seal(slot, Secret("secret"))


def test_no_message_of_the_vault_carries_a_secret_or_a_sealed_text(slot: Slot) -> None:
    stored = vault.seal(slot, Secret("do-not-print-me"))
    with pytest.raises(Undecryptable) as caught:
        vault.unseal(slot, stored[:-4] + "AAA=")
    assert "do-not-print-me" not in repr(caught.value)
    assert stored[10:30] not in repr(caught.value)
    assert caught.value.__cause__ is None
