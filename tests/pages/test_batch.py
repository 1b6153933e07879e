"""One act on many keys in a browser: found, chosen, confirmed, watched."""

import pytest
from django.urls import reverse
from django.utils import timezone

from keys import lifecycle
from keys.models import AppKey, Batch
from keys.views import batches, rows
from tests.factories import AppKeyFactory, ProviderKeyFactory


@pytest.fixture
def keys(application):
    return [AppKeyFactory(application=application, name=f"Key {n:03}") for n in range(12)]


def start(kind, **query):
    return f"{reverse('batch_start', args=['shop', kind])}?" + "&".join(
        f"{name}={one}"
        for name, value in query.items()
        for one in (value if isinstance(value, list) else [value])
    )


def test_keys_are_found_by_word_tag_environment_and_state(client_of, owner, keys):
    AppKey.objects.filter(pk=keys[0].pk).update(note="asks Ann", tags=" prod ")
    AppKey.objects.filter(pk=keys[1].pk).update(environment="test", state="disabled")
    client, page = client_of(owner), reverse("application", args=["shop"])
    for query, found in (
        ("q=ANN", {"Key 000"}),
        ("q=key+001", {"Key 001"}),
        (f"q={keys[2].pk}", {"Key 002"}),
        ("tag=Prod", {"Key 000"}),
        ("environment=test", {"Key 001"}),
        ("state=disabled", {"Key 001"}),
        ("tag=nothing", set()),
    ):
        text = client.get(f"{page}?{query}").content.decode()
        assert {key.name for key in keys if f">{key.name}</a>" in text} == found, query
    assert "No app key is found." in text


def test_a_page_shows_so_many_and_leads_on(client_of, owner, application, monkeypatch):
    monkeypatch.setattr(rows, "PER_PAGE", 5)
    for n in range(12):
        AppKeyFactory(application=application, name=f"Key {n:03}")
    client, page = client_of(owner), reverse("application", args=["shop"])
    text = client.get(page).content.decode()
    assert "1–5 of 12" in text
    assert "?app_keys=2" in text
    assert ">Key 011</a>" in client.get(f"{page}?app_keys=3").content.decode()
    assert client.get(f"{page}?app_keys=999999999").status_code == 200


def test_the_keys_chosen_are_acted_on_after_a_yes(client_of, owner, keys):
    client = client_of(owner)
    address = start("app_key", act="disable", key=[keys[0].pk, keys[1].pk, "nosuchkey"])
    assert "Disable 2 app keys?" in client.get(address).content.decode()
    assert not Batch.objects.exists()

    answer = client.post(address)
    batch = Batch.objects.get()
    assert answer.headers["Location"] == reverse("batch", args=["shop", batch.pk])
    waiting = client.get(answer.headers["Location"]).content.decode()
    assert "Waiting for the worker" in waiting
    assert 'hx-trigger="every 2s"' in waiting
    lifecycle.run_batches(60)
    done = client.get(answer.headers["Location"], headers={"HX-Request": "true"}).content.decode()
    assert "2 of 2 done" in done
    assert "every 2s" not in done
    assert AppKey.objects.filter(state="disabled").count() == 2


def test_all_that_the_filter_finds_can_be_chosen(client_of, owner, keys):
    AppKey.objects.filter(pk__in=[keys[3].pk, keys[4].pk]).update(tags=" old ")
    client_of(owner).post(start("app_key", act="revoke", all=1, tag="old"))
    lifecycle.run_batches(60)

    revoked = AppKey.objects.filter(state="revoked").values_list("pk", flat=True)
    assert set(revoked) == {keys[3].pk, keys[4].pk}


def test_the_keys_are_named_without_those_that_are_in_that_state(client_of, owner, keys):
    AppKey.objects.filter(pk=keys[0].pk).update(state="disabled", last_used_at=timezone.now())
    client, address = client_of(owner), start("app_key", act="disable", all=1)
    page = client.get(address).content.decode()
    assert "Disable 11 app keys?" in page
    assert "Key 001, Key 002" in page
    assert "Key 000" not in page
    assert "1 is disabled already and left out" in page
    assert "in the last 7 days" not in page

    client.post(address)
    assert Batch.objects.get().total == 11
    only = start("app_key", act="disable", key=[keys[0].pk])
    assert "is disabled already: there is nothing to do" in client.get(only).content.decode()


def test_so_many_names_are_listed_and_the_rest_counted(client_of, owner, keys, monkeypatch):
    monkeypatch.setattr(batches, "NAMED", 3)
    page = client_of(owner).get(start("app_key", act="revoke", all=1)).content.decode()
    assert "Key 000, Key 001, Key 002</strong> and 9 more." in page


def test_keys_in_use_are_ended_only_with_their_number_typed(client_of, owner, keys):
    AppKey.objects.filter(pk=keys[0].pk).update(last_used_at=timezone.now())
    client, address = client_of(owner), start("app_key", act="revoke", all=1)
    assert "1 of them was used in the last 7 days" in client.get(address).content.decode()

    for typed in ("", "11"):
        assert client.post(address, {"typed": typed}).status_code == 422
    assert not Batch.objects.exists()
    assert client.post(address, {"typed": "12"}).status_code == 302


def test_revoking_many_asks_for_a_fresh_sign_in(client_of, owner, keys):
    client = client_of(owner, fresh=False)
    address = start("app_key", act="revoke", all=1)

    assert "reauthenticate" in client.get(address).headers["Location"]
    assert client.post(address).status_code == 422
    assert not Batch.objects.exists()


@pytest.mark.parametrize(
    ("kind", "act"), [("app_key", "explode"), ("key", "revoke"), ("provider_key", "rotate")]
)
def test_an_act_that_is_none_is_not_found(client_of, owner, keys, kind, act):
    assert client_of(owner).get(start(kind, act=act, all=1)).status_code == 404


def test_a_developer_is_offered_what_a_developer_may(client_of, developer, keys, application):
    ProviderKeyFactory(application=application)
    ProviderKeyFactory(application=application)
    page = client_of(developer).get(reverse("application", args=["shop"])).content.decode()

    assert '<option value="rotate">' in page
    assert '<option value="revoke">' not in page
    assert 'form="bulk-provider_key"' not in page


def test_a_batch_is_stopped_and_says_so(client_of, owner, viewer, keys):
    owners = client_of(owner)
    page = owners.post(start("app_key", act="disable", all=1)).headers["Location"]
    stop = reverse("batch_stop", args=["shop", Batch.objects.get().pk])
    assert client_of(viewer).post(stop).status_code == 403
    assert "Stop</button>" not in client_of(viewer).get(page).content.decode()

    assert "What was done stays done" in owners.post(stop, follow=True).content.decode()
    lifecycle.run_batches(60)
    assert "Stopped" in owners.get(page).content.decode()
    assert "ended already" in owners.post(stop, follow=True).content.decode()


def test_what_was_refused_is_listed_with_the_reason(client_of, owner, keys):
    AppKey.objects.filter(pk=keys[0].pk).update(state="revoked")
    client = client_of(owner)
    page = client.post(start("app_key", act="enable", all=1)).headers["Location"]
    lifecycle.run_batches(60)
    text = client.get(page).content.decode()

    page_of_it = reverse("app_key", args=["shop", keys[0].pk])
    assert f'<a href="{page_of_it}">Key 000</a>' in text
    assert "which can’t be undone" in text or "can&#x27;t be undone" in text


@pytest.mark.parametrize(
    ("done", "refused", "stopped", "outcome", "words"),
    [
        (3, 0, False, "done", ("All done", "3 of 3 done, none refused")),
        (2, 1, False, "refused", ("Done, but not all", "2 of 3 done, 1 refused")),
        (0, 3, False, "refused", ("Nothing was done", "0 of 3 done, 3 refused")),
        (1, 0, True, "stopped", ("Stopped", "none refused, 2 left as they were")),
    ],
)
def test_the_page_tells_how_it_ended(
    client_of, viewer, application, done, refused, stopped, outcome, words
):
    ended = {"ended_at": timezone.now(), "done": done, "refused": refused, "stopped": stopped}
    batch = Batch.objects.create(
        application=application, kind="app_key", act="disable", total=3, **ended
    )
    batch.items.create(key_id="longSinceOut", outcome="refused", why="It is gone.")
    page = client_of(viewer).get(reverse("batch", args=["shop", batch.pk])).content.decode()

    assert f'class="progress kd-outcome-{outcome}"' in page
    assert all(one in page for one in words)
    assert ">A key that is gone</span>" in page
