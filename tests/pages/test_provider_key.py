"""A provider key's page and what can be done there."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from keys.models import Application, AuditEvent, ProviderKey, User
from tests.pages.conftest import LIVE, REFUSED, SECRET, page_of
from tests.upstream import Upstream

ClientOf = Callable[..., Client]
NEW = "the-new-secret-of-the-shops-account"


def rotation(secret: str = NEW) -> dict[str, str]:
    return {"secret": secret, "overlap": "86400"}


def test_it_shows_state_verdict_and_usage_but_no_secret(
    client_of: ClientOf, viewer: User, provider_key: ProviderKey
) -> None:
    page = client_of(viewer).get(page_of(provider_key)).content.decode()
    assert "live" in page
    assert "••••" in page
    assert f"{reverse('usage_panel')}?application=shop&amp;provider_key={provider_key.pk}" in page
    assert SECRET not in page
    assert "Rotate" not in page


def test_a_balance_is_shown_where_the_provider_told_one(
    client_of: ClientOf, viewer: User, provider_key: ProviderKey
) -> None:
    client = client_of(viewer)
    evidence = {"meaning": "live", "status": 200, "at": "2026-11-01T12:00:00+00:00"}
    ProviderKey.objects.update(evidence=evidence)
    assert "Balance" not in client.get(page_of(provider_key)).text
    told = {"balance": 1243.6, "currency": "USD", "balance_at": evidence["at"]}
    ProviderKey.objects.update(evidence=evidence | told)
    assert "1,243.60 USD left, told" in client.get(page_of(provider_key)).text


def test_adding_one_tests_it_on_the_spot(
    client_of: ClientOf, owner: User, provider: Upstream, application: Application
) -> None:
    answer = client_of(owner).post(
        reverse("provider_key_add", args=["shop"]),
        {"name": "Second", "provider": "modelslab", "secret": NEW},
        follow=True,
    )
    assert "is live" in answer.content.decode()
    assert NEW not in answer.content.decode()


def test_rotating_takes_the_new_secret_and_keeps_the_old_as_previous(
    client_of: ClientOf, owner: User, provider: Upstream, provider_key: ProviderKey
) -> None:
    answer = client_of(owner).post(page_of(provider_key, "rotate"), rotation(), follow=True)
    page = answer.content.decode()
    assert "uses the new secret now" in page
    assert "Two secrets work side by side" in page
    stages = provider_key.versions.order_by("number").values_list("stage", flat=True)
    assert list(stages) == ["previous", "current"]


def test_a_refused_new_secret_is_said_beside_the_field_and_the_old_one_stays(
    client_of: ClientOf, owner: User, refusing: Upstream, provider_key: ProviderKey
) -> None:
    answer = client_of(owner).post(page_of(provider_key, "rotate"), rotation())
    assert answer.status_code == 422
    assert "Rejected by the provider" in answer.content.decode()
    assert NEW not in answer.content.decode()
    assert provider_key.versions.get(stage="current").number == 1


def test_a_pending_rotation_can_be_cancelled_or_put_into_use_on_purpose(
    client_of: ClientOf, owner: User, allow_upstream: Upstream, provider_key: ProviderKey
) -> None:
    client = client_of(owner)
    allow_upstream.answer(503, "down")
    for act, current in (("cancel", 1), ("finish", 3)):
        client.post(page_of(provider_key, "rotate"), rotation())
        assert "A new secret is waiting" in client.get(page_of(provider_key)).content.decode()
        assert client.post(page_of(provider_key, act)).status_code == 302
        assert provider_key.versions.get(stage="current").number == current


@pytest.mark.parametrize("act", ["rotate", "revoke", "finish", "cancel", "reveal"])
def test_the_step_up_comes_when_the_form_opens_and_leads_back_to_it(
    act: str, client_of: ClientOf, owner: User, provider_key: ProviderKey
) -> None:
    stale = client_of(owner, fresh=False)
    answer = stale.get(page_of(provider_key, act))
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("account_reauthenticate"))
    assert page_of(provider_key, act).replace("/", "%2F") in answer["Location"]
    assert client_of(owner).get(page_of(provider_key, act)).status_code == 200


def test_a_form_sent_after_the_step_up_ran_out_changes_nothing_and_keeps_what_was_typed(
    client_of: ClientOf, owner: User, provider: Upstream, provider_key: ProviderKey
) -> None:
    data = {"secret": NEW, "overlap": "custom", "overlap_hours": "37"}
    answer = client_of(owner, fresh=False).post(page_of(provider_key, "rotate"), data)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Confirm in a new tab" in page
    assert 'value="37' in page
    assert NEW not in page
    assert provider_key.versions.count() == 1


def test_revoking_names_the_consequence_and_the_providers_own_page(
    client_of: ClientOf, owner: User, provider: Upstream, provider_key: ProviderKey
) -> None:
    client = client_of(owner)
    page = client.get(page_of(provider_key, "revoke")).content.decode()
    assert "This does not revoke it at ModelsLab" in page
    assert "https://modelslab.com" in page
    client.post(page_of(provider_key, "revoke"))
    provider_key.refresh_from_db()
    assert provider_key.state == "revoked"
    ProviderKey.objects.update(live_at_provider=True)
    page = client.get(page_of(provider_key)).content.decode()
    assert "Revoked here, still live at the provider" in page


def test_disabling_and_enabling_need_no_step_up(
    client_of: ClientOf, owner: User, provider_key: ProviderKey
) -> None:
    client = client_of(owner, fresh=False)
    for act, state in (("disable", "disabled"), ("enable", "active")):
        client.post(page_of(provider_key, act))
        provider_key.refresh_from_db()
        assert provider_key.state == state


def test_an_act_that_the_state_forbids_is_refused_in_words(
    client_of: ClientOf, owner: User, provider_key: ProviderKey
) -> None:
    answer = client_of(owner).post(page_of(provider_key, "enable"))
    assert answer.status_code == 422
    assert "alert-danger" in answer.content.decode()


def test_an_unknown_act_is_not_found(
    client_of: ClientOf, owner: User, provider_key: ProviderKey
) -> None:
    assert client_of(owner).post(page_of(provider_key, "explode")).status_code == 404


def test_revealing_needs_a_reason_and_is_written_down(
    client_of: ClientOf, owner: User, provider_key: ProviderKey
) -> None:
    client = client_of(owner)
    refused = client.post(page_of(provider_key, "reveal"), {"reason": " "})
    assert refused.status_code == 422
    assert SECRET not in refused.content.decode()
    answer = client.post(page_of(provider_key, "reveal"), {"reason": "move to the batch host"})
    assert SECRET in answer.content.decode()
    assert answer["Cache-Control"] == "no-store"
    event = AuditEvent.objects.get(action="provider_key.revealed")
    assert event.detail["reason"] == "move to the batch host"


def test_developers_reveal_it_only_where_the_application_allows_it(
    client_of: ClientOf, developer: User, provider_key: ProviderKey
) -> None:
    client = client_of(developer)
    assert client.get(page_of(provider_key, "reveal")).status_code == 403
    Application.objects.update(developers_copy_provider_keys=True)
    page = client.get(page_of(provider_key, "reveal")).content.decode()
    assert "Calls made directly with this key are not counted" in page


def test_a_check_now_tells_what_the_provider_says(
    client_of: ClientOf, developer: User, allow_upstream: Upstream, provider_key: ProviderKey
) -> None:
    client = client_of(developer)
    allow_upstream.answer(401, REFUSED)
    page = client.post(page_of(provider_key, "check"), follow=True).content.decode()
    assert "suspect" in page
    assert "Invalid API key" in page
    allow_upstream.answer(200, LIVE)
    page = client.post(page_of(provider_key, "check"), follow=True).content.decode()
    assert "is live" in page


def test_dead_and_exhausted_keys_show_evidence_and_remedy(
    client_of: ClientOf, viewer: User, provider_key: ProviderKey
) -> None:
    evidence = {"status": 402, "code": "key_exhausted", "message": "Insufficient credits"}
    ProviderKey.objects.update(verdict="exhausted", verdict_at=timezone.now(), evidence=evidence)
    page = client_of(viewer).get(page_of(provider_key)).content.decode()
    assert "HTTP 402 · key_exhausted · Insufficient credits" in page
    assert "Add credits or upgrade the plan" in page


def test_a_dialog_is_the_same_form_without_the_frame(
    client_of: ClientOf, owner: User, provider_key: ProviderKey
) -> None:
    client = client_of(owner)
    headers = {"HX-Request": "true"}
    whole = client.get(page_of(provider_key, "rotate")).content.decode()
    part = client.get(page_of(provider_key, "rotate"), headers=headers).content.decode()
    assert "<html" in whole
    assert "<html" not in part
    assert 'name="secret"' in part
    done = client.post(page_of(provider_key, "disable"), headers=headers)
    assert done["HX-Redirect"] == page_of(provider_key)


def test_an_owner_says_when_its_turn_in_the_pool_comes(
    client_of: ClientOf, owner: User, viewer: User, provider_key: ProviderKey
) -> None:
    client, url = client_of(owner), page_of(provider_key, "share")
    assert url in client.get(page_of(provider_key)).content.decode()
    assert url not in client_of(viewer).get(page_of(provider_key)).content.decode()
    assert client.post(url, {"priority": 0, "weight": 5}).status_code == 422
    assert client.post(url, {"priority": 2, "weight": 5, "concurrency": 15}).status_code == 302
    said = "priority 2, weight 5, at most 15 calls at once"
    assert said in client.get(page_of(provider_key)).content.decode()
