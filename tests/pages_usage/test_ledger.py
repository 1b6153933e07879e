"""The ledger page: what was accepted is stored, or it says what became of it."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from keys.models import User
from tests.pages_usage.conftest import Call
from usage.models import Comparison, SpoolWriter

pytestmark = pytest.mark.django_db
SignIn = Callable[..., Client]


def page(client_of: SignIn, admin: User) -> str:
    return client_of(admin).get(reverse("ledger")).text


def test_all_stored_reads_as_one_sentence(client_of: SignIn, admin: User, call: Call) -> None:
    call()
    call()
    text = page(client_of, admin)
    assert "All 2 accepted calls are stored, each exactly once." in text
    assert text.count('data-label="Writer"') == 1


def test_lost_calls_are_not_hidden(client_of: SignIn, admin: User, call: Call) -> None:
    call()
    SpoolWriter.objects.update(accepted=4, lost=3)
    text = page(client_of, admin)
    assert "3 calls got lost, of " in text
    assert "put it back below KEYDECK_SPOOL_DIR" in text.replace("\n", " ")
    assert "1 of 4 accepted calls is stored exactly once; 3 got lost." in text


def test_counts_that_differ_say_why_and_both_ways_out(client_of: SignIn, admin: User) -> None:
    day = timezone.now().date() - timedelta(days=1)
    Comparison.objects.create(day=day, checked_at=timezone.now(), calls=9, differences=2)
    text = page(client_of, admin)
    assert "Likely cause: Calls or counts were changed past Keydeck" in text
    assert f"<code>manage.py rebuild_rollups --since {day} --until {day} --check</code>" in text
    assert f"<code>manage.py ledger --acknowledge {day}</code>" in text


def test_before_the_first_call_it_says_what_to_do(
    client_of: SignIn, admin: User, tmp_path: Path, settings: Settings
) -> None:
    settings.SPOOL_DIR = tmp_path
    assert reverse("connect") in page(client_of, admin)


def test_it_is_for_site_admins(client_of: SignIn, owner: User) -> None:
    client = client_of(owner)
    assert client.get(reverse("ledger")).status_code == 403
    assert reverse("ledger") not in client.get(reverse("calls")).text


def test_its_queries_do_not_grow(
    client_of: SignIn, admin: User, call: Call, django_assert_num_queries: Callable[..., object]
) -> None:
    call()
    client = client_of(admin)
    # session, user, totals, writers, the last comparison, quarantined lines, differences,
    # erasures, the menu, the banner
    with django_assert_num_queries(10):
        client.get(reverse("ledger"))
