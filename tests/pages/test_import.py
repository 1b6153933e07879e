"""Many keys at once in a browser: tried, imported, or refused row by row."""

from collections.abc import Callable

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from keys.models import AppKey, Application, ProviderKey, User
from tests.factories import AppKeyFactory, ProviderKeyFactory

ClientOf = Callable[..., Client]
TABLE = "provider,name,secret\nmodelslab,First,ml-0001-first\nmodelslab,Second,ml-0002-second\n"
DOTENV = "DEBUG=1\nMODELSLAB_API_KEY=ml-0001-first\nTWILIO_API_KEY=tw-of-another\n"
HTMX = {"HX-Request": "true"}


@pytest.fixture
def address(application: Application) -> str:
    return reverse("keys_import", args=[application.slug])


def test_a_try_says_what_would_be_made_and_makes_nothing(client_of, owner, address):
    answer = client_of(owner).post(address, {"text": TABLE, "try": "1"}, headers=HTMX)
    part = answer.content.decode()

    assert "Every row can be imported: 2 provider keys" in part
    assert "ml-0001" not in part
    assert "<html" not in part
    assert not ProviderKey.objects.exists()


def test_a_table_is_imported_and_no_secret_comes_back(client_of, owner, address):
    answer = client_of(owner).post(address, {"text": TABLE}, headers=HTMX)
    part = answer.content.decode()

    assert answer.headers["HX-Retarget"] == "#import"
    assert "no-store" in answer.headers["Cache-Control"]
    assert "2 provider keys imported" in part
    assert "ml-0001" not in part
    assert ProviderKey.objects.count() == 2


def test_a_file_is_taken_as_well(client_of, owner, address):
    upload = SimpleUploadedFile("keys.csv", b"\xef\xbb\xbf" + TABLE.encode())
    client_of(owner).post(address, {"file": upload})

    assert ProviderKey.objects.count() == 2


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"text": " "}, "Paste something"),
        ({"file": SimpleUploadedFile("a.csv", b"\xff\xfe\x00")}, "not text in UTF-8"),
        ({"text": "name,secret\na,b"}, "lacks the column provider"),
    ],
)
def test_what_cannot_be_read_says_why(client_of, owner, address, fields, told):
    answer = client_of(owner).post(address, fields, headers=HTMX)

    assert answer.status_code == 422
    assert told in answer.content.decode()


def test_faults_are_listed_by_line_and_the_text_does_not_come_back(client_of, owner, address):
    text = TABLE + "nobody,Third,ml-0003-third\n"
    for headers in (HTMX, {}):
        answer = client_of(owner).post(address, {"text": text}, headers=headers)
        page = answer.content.decode()
        assert answer.status_code == 422
        assert "Line 4" in page
        assert "There is no provider “nobody”" in page
        assert "ml-000" not in page
    assert not ProviderKey.objects.exists()


def test_a_dotenv_comes_back_with_app_keys_in_it(client_of, owner, address):
    page = client_of(owner).post(address, {"text": DOTENV}).content.decode()

    assert "MODELSLAB_API_KEY=kd_live_" in page
    assert "for no known provider: TWILIO_API_KEY" in page
    assert AppKey.objects.count() == 1


def test_a_key_that_is_here_already_gets_an_app_key_more(client_of, owner, application, address):
    ProviderKeyFactory(application=application, name="Main", secret="ml-0001-first")
    text = DOTENV + "BROKEN LINE\n"
    for more, told in (({"try": "1"}, "it gets an app key more"), ({}, "it got an app key more")):
        page = client_of(owner).post(address, {"text": text, **more}).content.decode()
        assert f"1 was here already: {told}" in page
        assert "can’t be read: line 4 of the text that you gave" in page
        assert "0 provider key" not in page
    assert AppKey.objects.count() == 1


def test_one_key_is_told_of_as_one(client_of, owner, address):
    page = client_of(owner).post(address, {"text": DOTENV}).content.decode()
    assert "1 provider key imported, with an app key." in page


def test_a_fault_of_a_dotenv_names_the_variable(client_of, owner, address):
    text = "MODELSLAB_API_KEY='two words'"
    page = client_of(owner).post(address, {"text": text}).content.decode()
    assert "<th>Variable</th>" in page
    assert "MODELSLAB_API_KEY" in page


def test_the_file_comes_back_line_by_line_and_marks_where_a_secret_still_stands(
    client_of, owner, address
):
    text = "MODELSLAB_API_KEY=ml-0001-first\n\n<U>=ml-0001-first"
    tried = client_of(owner).post(address, {"text": text, "try": "1"}).content.decode()
    page = client_of(owner).post(address, {"text": text}).content.decode()

    assert "still stands in line 3 of the text that you gave" in tried
    assert "ml-0001" not in tried
    assert "still stands in line 4 of the file below" in page
    _, _, shown = page.partition('id="revealed"')
    assert "<span>\n</span><mark>&lt;U&gt;=ml-0001-first</mark></pre>" in shown
    assert shown.partition("</pre>")[0].count("<span>") == 3


def test_the_progress_tells_how_many_the_checks_have_looked_at(client_of, owner, address):
    client = client_of(owner)
    page = client.post(address, {"text": TABLE}).content.decode()
    progress = page.partition("import/progress/?")[2].partition('"')[0].replace("&amp;", "&")
    address = f"{reverse('keys_import_progress', args=['shop'])}?{progress}"
    assert "looked at 0 of 2" in (waiting := client.get(address).content.decode())
    assert 'hx-trigger="every 2s"' in waiting

    ProviderKey.objects.filter(name="First").update(verdict="dead")
    ProviderKey.objects.filter(name="Second").update(verdict="live")
    done = client.get(address).content.decode()
    assert "looked at all 2" in done
    assert "Rejected by the provider: " in done
    assert "every 2s" not in done


def test_a_progress_of_no_import_is_not_found(client_of, owner, address):
    for query in ("", "?since=x&until=y", "?since=2026-01-01"):
        assert client_of(owner).get(f"{address}progress/{query}").status_code == 404


def test_details_are_written_and_shown(client_of: ClientOf, owner: User, application: Application):
    key = ProviderKeyFactory(application=application)
    page = reverse("provider_key", args=["shop", key.pk])
    client = client_of(owner)
    client.post(
        reverse("provider_key_details", args=["shop", key.pk]),
        {"note": "asks Ann <b>", "tags": "prod, eu", "owner": owner.email, "environment": "test"},
    )
    text = client.get(page).content.decode()

    assert "asks Ann &lt;b&gt;" in text
    assert "?tag=prod" in text
    key.refresh_from_db()
    assert (key.owner, key.environment) == (owner, "test")


def test_a_developer_describes_app_keys_alone(client_of, developer, application):
    client = client_of(developer)
    for name, key, status in (
        ("app_key_details", AppKeyFactory(application=application), 302),
        ("provider_key_details", ProviderKeyFactory(application=application), 403),
    ):
        address = reverse(name, args=["shop", key.pk])
        assert client.post(address, {"note": "mine", "environment": "live"}).status_code == status
