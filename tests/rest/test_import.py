"""REST: many keys at once, and the words on keys."""

import pytest

from keys.models import AppKey, ProviderKey
from tests.factories import AppKeyFactory, ProviderKeyFactory

PATH = "/applications/shop/provider-keys/import"
TABLE = "modelslab,First,ml-0001-first,,prod\nmodelslab,Second,ml-0002-second\n"


def test_a_table_is_imported(rest, owner, application):
    answer = rest(owner).post(PATH, {"text": TABLE})

    assert answer.status == 201
    assert [key["name"] for key in answer.json["provider_keys"]] == ["First", "Second"]
    assert (answer.json["dotenv"], answer.json["left"]) == (None, [])
    assert "ml-0001" not in answer.text


def test_a_dotenv_comes_back(rest, owner, application):
    answer = rest(owner).post(PATH, {"text": "MODELSLAB_API_KEY=ml-0001-first"})

    assert answer.json["dotenv"].startswith("MODELSLAB_API_KEY=kd_live_")
    assert answer.json["app_keys"][0]["provider"] == "modelslab"


def test_a_try_leaves_nothing(rest, owner, application):
    answer = rest(owner).post(PATH, {"text": "MODELSLAB_API_KEY=ml-1-first", "try_only": True})

    assert (answer.status, answer.json["dotenv"]) == (200, None)
    assert not ProviderKey.objects.exists()


def test_a_key_that_is_here_already_and_a_line_that_cannot_be_read_are_told(
    rest, owner, application
):
    key = ProviderKeyFactory(application=application, secret="ml-0001-first")
    text = "MODELSLAB_API_KEY=ml-0001-first\nBROKEN LINE\n"
    answer = rest(owner).post(PATH, {"text": text})

    assert (answer.status, answer.json["provider_keys"]) == (201, [])
    assert [known["id"] for known in answer.json["known"]] == [key.pk]
    assert answer.json["unread"] == [2]
    assert len(answer.json["app_keys"]) == 1


def test_a_fault_of_a_dotenv_names_the_variable(rest, owner, application):
    text = "MODELSLAB_API_KEY=ml-0001-first\nOLD_MODELSLAB_KEY='two words'\n"
    errors = rest(owner).post(PATH, {"text": text}).json["error"]["errors"]

    assert [(error["line"], error["field"]) for error in errors] == [(2, "OLD_MODELSLAB_KEY")]


def test_faults_are_named_by_line(rest, owner, application):
    answer = rest(owner).post(PATH, {"text": TABLE + "nobody,Third,ml-0003-third\n"})

    assert answer.status == 422
    assert answer.json["error"]["errors"] == [
        {"line": 3, "field": "provider", "message": "There is no provider “nobody”."}
    ]
    assert not ProviderKey.objects.exists()


def test_a_try_names_the_lines_of_the_text(rest, owner, application):
    text = "MODELSLAB_API_KEY=ml-1-first\nURL=https://u:ml-1-first@x\n"

    assert rest(owner).post(PATH, {"text": text, "try_only": True}).json["still"] == [2]
    assert rest(owner).post(PATH, {"text": text}).json["still"] == [3]


def test_a_row_with_too_many_columns_is_one_fault_of_many(rest, owner, application):
    text = "modelslab,First,ml-0001-first,,,live,more\nnobody,Third,ml-0003-third\n"
    errors = rest(owner).post(PATH, {"text": text}).json["error"]["errors"]

    assert [(error["line"], error["field"]) for error in errors] == [(1, "row"), (2, "provider")]


@pytest.mark.parametrize(
    ("make", "kind"), [(ProviderKeyFactory, "provider-keys"), (AppKeyFactory, "app-keys")]
)
def test_the_words_on_a_key_change_and_find_it(rest, owner, developer, application, make, kind):
    key = make(application=application)
    make(application=application, tags=" eu ")
    client = rest(owner)
    told = {"note": "n", "tags": ["prod", "eu"], "owner": developer.email}
    answer = client.call("PATCH", f"/applications/shop/{kind}/{key.pk}", told)

    assert answer.status == 200
    assert answer.json["tags"] == ["eu", "prod"]
    assert (answer.json["note"], answer.json["owner"]) == ("n", developer.email)
    assert answer.json["environment"] == "live"
    found = client.get(f"/applications/shop/{kind}", tag="prod").json["items"]
    assert [item["id"] for item in found] == [key.pk]
    assert len(client.get(f"/applications/shop/{kind}", tag="eu").json["items"]) == 2
    cleared = client.call("PATCH", f"/applications/shop/{kind}/{key.pk}", {"owner": None})
    assert cleared.json["owner"] is None


def test_a_developer_describes_app_keys_and_sets_no_limits(rest, developer, application):
    key = AppKeyFactory(application=application)
    client, path = rest(developer), f"/applications/shop/app-keys/{key.pk}"

    assert client.call("PATCH", path, {"note": "mine"}).status == 200
    assert client.call("PATCH", path, {"limits": {"per_minute": 5}}).status == 403
    assert client.call("PATCH", path, {"note": "x", "expires_at": None}).status == 403
    assert AppKey.objects.get().note == "mine"
