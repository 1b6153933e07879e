"""What the doctor found, as pages tell it, and what they say to do about it."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from keys import doctor, lifecycle
from keys.audit import Actor
from keys.doctor.examining import WRONG_LIMITS
from keys.models import AppKey, Application, User, VaultExamination
from tests.keys.conftest import break_secret

pytestmark = pytest.mark.django_db
ClientOf = Callable[..., Client]


@pytest.fixture
def app_key(actor: Actor, application: Application) -> AppKey:
    return lifecycle.create_app_key(actor, application, name="Web")[0]


def test_what_to_do_fits_what_was_found() -> None:
    (opens,) = doctor.remedies([doctor.GOT_OUT, doctor.GOT_OUT])
    assert "report it compromised as well" in opens
    limits, past = doctor.remedies([doctor.CAME_BACK, WRONG_LIMITS, doctor.UNTOLD])
    assert "set them again" in limits
    assert "written past Keydeck" in past
    assert doctor.remedies([]) == []


def test_a_finding_of_a_key_that_is_gone_leads_nowhere(
    app_key: AppKey, client_of: ClientOf, admin: User
) -> None:
    found = {"key": "app_key:gone", "application": "x", "name": "Gone", "version": 1}
    findings = [{**found, "code": doctor.UNTOLD}] * 11
    VaultExamination.objects.create(pk=1, finished_at=timezone.now(), findings=findings)
    page = client_of(admin).get("/settings/").content.decode()
    assert page.count("<li>Gone: version 1 is not in the audit trail</li>") == 10
    assert "and 1 more" in page


def test_the_overview_and_the_settings_page_show_what_it_found(
    app_key: AppKey, client_of: ClientOf, owner: User, admin: User
) -> None:
    break_secret(app_key)
    doctor.examine_and_note()
    page = client_of(owner).get("/").content.decode()
    assert "Shop · Web: version 1 does not open with the keys of this vault" in page
    settings = client_of(admin).get("/settings/").content.decode()
    assert "1 finding</span>" in settings
    link = f'<a href="/applications/shop/app-keys/{app_key.pk}/">Web</a>'
    assert f"{link}: version 1 does not open with the keys of this vault" in settings
    assert "Where one does not open" in settings
    lifecycle.revoke(Actor.person(owner), app_key)  # nothing is kept of it any more
    doctor.examine_and_note()
    assert "does not open" not in client_of(owner).get("/").content.decode()
