"""What a form says of a value it can't take: what to do, in this product's words."""

from collections.abc import Callable, Iterator
from importlib import import_module

import pytest
from django import forms
from django.test import Client
from django.urls import get_resolver

from keys.form_words import WORDS
from keys.models import User

APPS = ("keys", "usage")
STOCK = ("This field", "Enter ", "Select a valid", "Ensure ", "The submitted", "No file")


def _below(form: type) -> Iterator[type]:
    for one in form.__subclasses__():
        yield one
        yield from _below(one)


def test_no_form_of_ours_speaks_in_stock_words() -> None:
    assert get_resolver().url_patterns  # every view, and so nearly every form, is there
    for name in ("passkeys", "passwords"):  # named in the settings alone
        import_module(f"keys.forms.{name}")
    ours = [form for form in _below(forms.BaseForm) if form.__module__.startswith(APPS)]
    fields = [field for form in ours for field in getattr(form, "base_fields", {}).values()]
    told = {(type(f).__name__, words) for f in fields for words in f.error_messages.values()}
    assert len(fields) > 50
    assert not {one for one in told if str(one[1]).startswith(STOCK)}


@pytest.mark.parametrize("field", WORDS)
def test_a_field_made_anywhere_has_the_words(field: type[forms.Field]) -> None:
    options = {"assume_scheme": "https"} if field is forms.URLField else {}
    assert WORDS[field].items() <= field(**options).error_messages.items()


@pytest.mark.parametrize(
    ("address", "told", "words"),
    [
        ("/applications/new/", {"name": ""}, "Fill this in."),
        ("/applications/new/", {"name": "Shop", "slug": "a shop"}, "Use only letters, digits"),
        ("/applications/new/", {"name": "n" * 101}, "At most 100 characters fit; these are 101."),
        ("/providers/new/", {"base_url": "x y"}, "Write a whole address, such as https://"),
        ("/providers/new/", {"credential_in": "pocket"}, "There is no “pocket” to choose here."),
    ],
)
def test_a_form_says_what_to_do(
    address: str,
    told: dict[str, str],
    words: str,
    client_of: Callable[..., Client],
    admin: User,
) -> None:
    answer = client_of(admin).post(address, told)
    assert answer.status_code == 422
    assert words in answer.content.decode()
