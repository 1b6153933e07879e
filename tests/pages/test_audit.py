"""The audit page: owners see their applications, developers their own acts, viewers nothing."""

from collections.abc import Callable

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from keys import audit
from keys.audit import Action, Actor
from keys.models import Application, AuditEvent, AuditHead, User
from keys.templatetags.trail import acts_by_kind, breakable
from tests.factories import AppKeyFactory, ApplicationFactory
from tests.pages.conftest import page_of

ClientOf = Callable[..., Client]


@pytest.fixture(autouse=True)
def events(application: Application, owner: User, developer: User) -> None:
    other = ApplicationFactory(slug="other")
    with transaction.atomic():
        for user, target in ((owner, "app_key:ofTheOwner12"), (developer, "app_key:ofDeveloper1")):
            audit.record(Actor.person(user), Action.APP_KEY_CREATED, target, application)
        target = "app_key:ofAnother123"
        audit.record(Actor.system("x"), Action.KEY_REVOKED, target, other, name="The front door")


@pytest.mark.parametrize(
    ("role", "seen"),
    [
        ("owner", {"ofTheOwner12", "ofDeveloper1"}),
        ("developer", {"ofDeveloper1"}),
        ("viewer", set()),
        ("outsider", set()),
        ("admin", {"ofTheOwner12", "ofDeveloper1", "ofAnother123"}),
    ],
)
def test_each_role_sees_its_part(
    role: str, seen: set[str], request: pytest.FixtureRequest, client_of: ClientOf
) -> None:
    page = client_of(request.getfixturevalue(role)).get("/audit/").content.decode()
    every = {"ofTheOwner12", "ofDeveloper1", "ofAnother123"}
    assert {id for id in every if id in page} == seen


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("application=shop", 2),
        ("application=other", 1),
        ("action=key.revoked", 1),
        ("who=developer", 1),
        ("target=ofTheOwner12", 1),
        ("until=2001-01-01", 0),
        ("since=2001-01-01", 3),
        ("since=2001-01-01&until=9999-12-31", 3),
        ("target=the front door", 1),
        ("since=not-a-day&until=2001-02-31", 3),
        ("page=99", 3),
    ],
)
def test_filters_narrow_it_and_nonsense_counts_as_not_chosen(
    query: str, seen: int, client_of: ClientOf, admin: User
) -> None:
    answer = client_of(admin).get(f"/audit/?{query}")
    assert len(answer.context["events"]) == seen


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("application=nowhere", "no application “nowhere” to choose"),
        ("action=key.eaten", "no act “key.eaten” to choose"),
        ("since=yesterday", "no first day “yesterday” to choose here. A day is written 2026-01-31"),
        ("until=2001-02-31", "no last day “2001-02-31”"),
        ("since=2026-02-01&until=2026-01-01", "The last day is before the first"),
        ("page=x", "no page “x” to choose here. This is page 1 of 1"),
    ],
)
def test_a_filter_that_makes_no_sense_is_told(
    query: str, words: str, client_of: ClientOf, admin: User
) -> None:
    client = client_of(admin)
    assert words in client.get(f"/audit/?{query}").content.decode()
    if not query.startswith("page"):
        file = client.get(f"/audit/export.csv?{query}")
        assert (file.status_code, words in file.content.decode()) == (422, True)


def test_filters_can_be_seen_and_are_kept_while_paging(
    client_of: ClientOf, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keys.views.audit.PAGE", 1)
    client = client_of(admin)
    page = client.get("/audit/?application=shop&who=e&page=x").content.decode()
    assert 'href="?application=shop&amp;who=e&amp;page=2"' in page
    assert 'name="target" value="ofThe"' in client.get("/audit/?target=ofThe").content.decode()


def test_a_key_is_named_and_its_detail_is_in_words(
    client_of: ClientOf, owner: User, application: Application
) -> None:
    key = AppKeyFactory(application=application, name="Website")
    actor = Actor.person(owner)
    with transaction.atomic():
        audit.record(
            actor,
            Action.LIMITS_CHANGED,
            f"app_key:{key.pk}",
            application,
            name="Website",
            was={"per_minute": None},
            now={"per_minute": 60, "ips": ["10.0.0.0/8", "::1"]},
            tested=True,
        )
        audit.record(
            actor, Action.TOKEN_ISSUED, "api_token:3jo20", name="CI", scopes=["read", "manage"]
        )
    page = client_of(owner).get("/audit/").content.decode()
    assert f'<a href="{page_of(key)}">Website<wbr></a>' in page
    assert "App key · Shop" in page
    words = "was: per minute none · now: per minute 60, ips 10.0.0.0/8, ::1 · tested: yes"
    assert words in page
    assert "scopes: read, manage" in page
    assert "REST token" in page
    assert "app_key:" not in page
    assert "api_token:" not in page
    assert "[&#x27;" not in page


def test_an_address_breaks_where_a_reader_would() -> None:
    assert breakable("a.b@ex-ample.com") == "a.b@<wbr>ex-ample.com<wbr>"
    assert breakable("<b>") == "&lt;b&gt;<wbr>"


def test_a_site_admin_verifies_the_chain(client_of: ClientOf, admin: User) -> None:
    client = client_of(admin)
    assert "Verify the chain" in client.get("/audit/").content.decode()
    page = client.post(reverse("audit_verify"), follow=True).content.decode()
    assert "The chain is whole: all 3 events fit." in page
    event = AuditEvent.objects.order_by("pk")[1]
    AuditEvent.objects.filter(pk=event.pk).update(actor_name="somebody@example.com")
    page = client.post(reverse("audit_verify"), follow=True).content.decode()
    assert f"The chain is broken at event {event.pk}" in page


def test_nobody_else_verifies_it(client_of: ClientOf, owner: User) -> None:
    client = client_of(owner)
    assert "Verify the chain" not in client.get("/audit/").content.decode()
    assert client.post(reverse("audit_verify")).status_code == 403


def test_a_site_admin_downloads_an_anchor_and_verifies_by_it(
    client_of: ClientOf, admin: User
) -> None:
    client = client_of(admin)
    kept = client.get(reverse("audit_anchor")).content.decode()
    dialog = client.get(reverse("audit_verify")).content.decode()
    assert reverse("audit_anchor") in dialog
    page = client.post(reverse("audit_verify"), {"anchor": kept}, follow=True).content.decode()
    assert "it holds the anchor of" in page
    AuditEvent.objects.all().delete()
    AuditHead.objects.all().delete()
    page = client.post(reverse("audit_verify"), {"anchor": kept}, follow=True).content.decode()
    assert "The chain is broken" in page
    page = client.post(reverse("audit_verify"), {"anchor": "{}"})
    assert page.status_code == 422
    assert "This is no anchor" in page.content.decode()


def test_the_filter_offers_every_act_once_under_what_it_is_done_to(
    client_of: ClientOf, admin: User
) -> None:
    kinds = acts_by_kind()
    assert sorted(act for _, acts in kinds for act, _ in acts) == sorted(Action)
    for _, acts in kinds:
        assert [words for _, words in acts] == sorted(words for _, words in acts)
    page = client_of(admin).get("/audit/?action=key.revoked").content.decode()
    assert '<optgroup label="Keys of both kinds">' in page
    assert '<option value="key.revoked" selected>' in page
