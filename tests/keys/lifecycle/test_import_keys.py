"""Many keys at once: all of them, or none and why."""

from dataclasses import replace
from io import StringIO

import pytest
from dotenv import dotenv_values

from keys import lifecycle, providers, tokens, vault
from keys.audit import Action
from keys.lifecycle import ImportRefused
from keys.models import AppKey, AuditEvent, GotOut, Provider, ProviderKey
from tests.factories import AppKeyFactory, ProviderKeyFactory

TABLE = """provider,name,secret,tags,note,environment
acme,First,sk-acme-0001-first,eu prod,of Ann,test
acme,Second,sk-acme-0002-second,,,
"""


def test_every_row_becomes_a_sealed_key_that_is_checked_soon(actor, application, acme):
    made = lifecycle.import_keys(actor, application, TABLE)

    first, second = made.keys
    assert (first.name, first.tag_list, first.note) == ("First", ["eu", "prod"], "of Ann")
    assert (first.environment, second.environment) == ("test", "live")
    assert first.next_check_at is not None
    assert lifecycle.reveal_provider_key(actor, first, reason="t").reveal() == "sk-acme-0001-first"
    assert AuditEvent.objects.filter(action=Action.PROVIDER_KEY_ADDED).count() == 2
    assert made.dotenv is None
    assert not AppKey.objects.exists()


def test_one_bad_row_keeps_all_out_and_each_is_named(actor, application, acme):
    ProviderKeyFactory(application=application, name="Taken", secret="sk-acme-0009-known")
    rows = [
        "acme,Good,sk-acme-0001-good",
        "nobody,Lost,sk-acme-0002-lost",
        "acme,Taken,sk-acme-0003-taken",
        "acme,Again,sk-acme-0001-good",
        "acme,Known,sk-acme-0009-known",
        "acme,,sk-acme-0004",
        "acme,Empty,",
        "acme,Tagged,sk-acme-0005,,no!",
        "acme,Placed,sk-acme-0006,,,moon",
        "acme,Wide,sk-acme-0007,,,live,sk-acme-0008",
    ]
    with pytest.raises(ImportRefused) as refused:
        lifecycle.import_keys(actor, application, "\n".join(rows))

    assert [(fault.line, fault.field) for fault in refused.value.faults] == [
        (2, "provider"),
        (3, "name"),
        (4, "secret"),
        (5, "secret"),
        (6, "name"),
        (7, "secret"),
        (8, "tags"),
        (9, "environment"),
        (10, "row"),
    ]
    assert refused.value.message == "9 rows have faults; nothing was imported."
    assert "sk-acme" not in str(refused.value.faults)
    assert list(ProviderKey.objects.values_list("name", flat=True)) == ["Taken"]


def test_what_stands_twice_in_the_text_is_told_by_the_line_of_the_first(actor, application, acme):
    rows = ["acme,Batch A,sk-acme-0001", "acme,Batch B,sk-acme-0001", "acme,Batch A,sk-acme-0002"]
    with pytest.raises(ImportRefused) as refused:
        lifecycle.import_keys(actor, application, "\n".join(["provider,name,secret", *rows]))

    assert [(fault.line, fault.message) for fault in refused.value.faults] == [
        (3, "This secret stands in line 2 too."),
        (4, "This name stands in line 2 too."),
    ]


def test_a_secret_of_a_dotenv_that_is_here_already_gets_an_app_key_more(actor, application, acme):
    here = lifecycle.add_provider_key(
        actor, application, name="Main", provider="acme", secret="sk-acme-0001"
    )
    text = "OLD_ACME_KEY=sk-acme-0001\nACME_KEY=sk-acme-0002\n"
    made = lifecycle.import_keys(actor, application, text)

    assert [key.name for key in made.keys] == ["ACME_KEY"]
    assert made.known == [here]
    assert [key.name for key in made.app_keys] == ["Main app key", "ACME_KEY app key"]
    values = dotenv_values(stream=StringIO(made.dotenv.reveal()))
    first, second = (lifecycle.copy_app_key(actor, key).reveal() for key in made.app_keys)
    assert (values["OLD_ACME_KEY"], values["ACME_KEY"]) == (first, second)


def test_a_dotenv_whose_keys_are_all_here_is_imported(actor, application):
    ProviderKeyFactory(application=application, secret="ml-0001-first")
    made = lifecycle.import_keys(actor, application, "MODELSLAB_API_KEY=ml-0001-first")

    assert (made.keys, len(made.known), len(made.app_keys)) == ([], 1, 1)
    assert ProviderKey.objects.count() == 1


def test_a_secret_of_a_revoked_key_becomes_a_key_again(actor, application):
    key = ProviderKeyFactory(application=application, secret="ml-0001-first")
    lifecycle.revoke(actor, key)

    made = lifecycle.import_keys(actor, application, "MODELSLAB_API_KEY=ml-0001-first")
    assert (len(made.keys), made.known) == (1, [])


@pytest.mark.parametrize("how", ["compromised", "of another provider"])
def test_a_secret_that_may_not_be_used_names_its_variable(actor, application, how):
    slug = "openai" if how == "of another provider" else "modelslab"
    key = ProviderKeyFactory(application=application, provider=slug, secret="ml-0001-first")
    if how == "compromised":
        GotOut.objects.create(fingerprint=key.versions.get().fingerprint)
    with pytest.raises(ImportRefused) as refused:
        lifecycle.import_keys(actor, application, "MODELSLAB_API_KEY=ml-0001-first")

    assert [fault.field for fault in refused.value.faults] == ["MODELSLAB_API_KEY"]
    assert not AppKey.objects.exists()


def test_lines_of_a_dotenv_that_cannot_be_read_are_named(actor, application, acme):
    text = "DEBUG=1\n\nBROKEN LINE\nACME_KEY=sk-acme-0001\nX='open\n"
    made = lifecycle.import_keys(actor, application, text)

    assert made.unread == (3, 5)
    assert "BROKEN LINE\n" in made.dotenv.reveal()


@pytest.mark.parametrize("text", ["", "  \n", "provider,name,secret\n", "A=1\n"])
def test_a_text_without_keys_is_refused(actor, application, text):
    with pytest.raises(ImportRefused):
        lifecycle.import_keys(actor, application, text)


def test_more_rows_than_go_in_at_once_are_refused(actor, application, monkeypatch):
    with pytest.raises(ImportRefused, match="1001 rows; at most 1000"):
        lifecycle.import_keys(actor, application, "acme,a,b\n" * 1001)


def test_a_try_says_the_same_and_leaves_nothing(actor, application, acme):
    events = AuditEvent.objects.count()
    made = lifecycle.import_keys(actor, application, TABLE, try_only=True)

    assert [key.name for key in made.keys] == ["First", "Second"]
    assert not ProviderKey.objects.exists()
    assert AuditEvent.objects.count() == events


def test_a_dotenv_makes_both_keys_and_comes_back_with_app_keys(actor, application, acme):
    text = "DEBUG=1\nACME_API_KEY=sk-acme-0001\nOLD_ACME_TOKEN=sk-acme-0002\nX_SECRET=other\n"
    made = lifecycle.import_keys(actor, application, text)

    assert [key.name for key in made.keys] == ["ACME_API_KEY", "OLD_ACME_TOKEN"]
    assert [key.providers for key in made.app_keys] == [["acme"], ["acme"]]
    assert made.left == ("X_SECRET",)
    values = dotenv_values(stream=StringIO(made.dotenv.reveal()))
    first = made.app_keys[0]
    assert values["ACME_API_KEY"] == lifecycle.copy_app_key(actor, first).reveal()
    assert values["X_SECRET"] == "other"
    assert first.versions.get().lookup == vault.lookup_hash(values["ACME_API_KEY"])


def test_two_variables_of_one_secret_share_their_keys(actor, application, acme):
    made = lifecycle.import_keys(actor, application, "ACME_KEY=sk-acme-1\nB_ACME_KEY=sk-acme-1\n")

    assert [key.name for key in made.keys] == ["ACME_KEY"]
    values = dotenv_values(stream=StringIO(made.dotenv.reveal()))
    assert values["ACME_KEY"] == values["B_ACME_KEY"]


def test_a_variable_that_stands_twice_gets_the_app_key_of_each_secret(actor, application, acme):
    text = "ACME_KEY=sk-acme-0001\nDEBUG=1\nACME_KEY=sk-acme-0002\n"
    made = lifecycle.import_keys(actor, application, text)

    assert [key.name for key in made.keys] == ["ACME_KEY", "ACME_KEY 2"]
    first, second = (lifecycle.copy_app_key(actor, key).reveal() for key in made.app_keys)
    lines = made.dotenv.reveal().splitlines()
    assert [line for line in lines if line.startswith("ACME_KEY")] == [
        f"ACME_KEY={first}",
        f"ACME_KEY={second}",
    ]
    assert "sk-acme" not in made.dotenv.reveal()
    assert made.still == ()


def test_app_keys_get_names_that_are_free(actor, application, acme):
    AppKeyFactory(application=application, name="ACME_KEY app key")
    made = lifecycle.import_keys(actor, application, "ACME_KEY=sk-acme-1\nACME_KEY=sk-acme-2\n")

    assert [key.name for key in made.app_keys] == ["ACME_KEY app key 2", "ACME_KEY 2 app key"]


def test_a_name_that_is_taken_gets_a_number(actor, application, acme):
    ProviderKeyFactory(application=application, name="ACME_KEY")

    made = lifecycle.import_keys(actor, application, "ACME_KEY=sk-acme-1")
    assert [key.name for key in made.keys] == ["ACME_KEY 2"]


def test_too_many_variables_are_refused_before_the_database_is_held(
    actor, application, acme, django_assert_max_num_queries
):
    text = "".join(f"ACME_KEY_{n}=sk-acme-{n:06}\n" for n in range(1001))
    with django_assert_max_num_queries(5), pytest.raises(ImportRefused, match="1001 rows"):
        lifecycle.import_keys(actor, application, text)


def test_a_secret_in_the_wrong_column_is_not_repeated(actor, application, acme):
    with pytest.raises(ImportRefused) as refused:
        lifecycle.import_keys(actor, application, "sk-live-abcdef12345,prod,acme")

    assert "sk-live" not in str(refused.value.faults)


@pytest.mark.parametrize("column", ["name", "note", "tags"])
def test_a_secret_in_a_column_for_people_is_refused_and_written_nowhere(
    actor, application, acme, column
):
    secret = "a1" * 20
    row = {"provider": "acme", "name": "Main", "secret": "Main", column: secret}
    text = f"{','.join(row)}\n{','.join(row.values())}"
    with pytest.raises(ImportRefused) as refused:
        lifecycle.import_keys(actor, application, text)

    assert [fault.field for fault in refused.value.faults] == [column]
    assert "looks like a secret" in refused.value.faults[0].message
    assert secret not in str(refused.value.faults)
    assert not AuditEvent.objects.filter(application_id=application.pk).exists()


def test_where_an_imported_secret_still_stands_in_the_file_handed_back_is_said(
    actor, application, acme
):
    text = "# was sk-acme-0001\nACME_API_KEY=sk-acme-0001\nURL=https://u:sk-acme-0001@acme.test\n"
    made = lifecycle.import_keys(actor, application, text)

    lines = made.dotenv.reveal().splitlines()
    assert [lines[n - 1].count("sk-acme-0001") for n in made.still] == [1, 1]
    assert sum("sk-acme-0001" in line for line in lines) == 2


def test_a_try_names_the_lines_of_the_text_that_was_given(actor, application, acme):
    text = "ACME_API_KEY=sk-acme-0001\nDEBUG=1\nURL=https://u:sk-acme-0001@acme.test\n"
    tried = lifecycle.import_keys(actor, application, text, try_only=True)
    made = lifecycle.import_keys(actor, application, text)

    assert tried.still == (3,)
    assert made.still == (4,)  # the line before tells where calls go now


SHAPED = "sk-" + "-".join(["abcdefg"] * 4)


@pytest.mark.parametrize("column", ["name", "note", "tags"])
@pytest.mark.parametrize("text", [SHAPED, "zz9-plural", "an app key"])
def test_a_key_in_a_column_for_people_is_refused_unrepeated(
    actor, application, acme, monkeypatch, column, text
):
    text = tokens.new_app_key("test", "a" * 12) if text == "an app key" else text
    shaped = replace(providers.get("acme"), key_shape=r"zz9-[a-z]+")
    monkeypatch.setattr(providers, "all_specs", lambda: [shaped])
    row = {"provider": "acme", "name": "Main", "secret": "sk-acme-0001", column: f"of {text}"}
    with pytest.raises(ImportRefused) as refused:
        lifecycle.import_keys(actor, application, f"{','.join(row)}\n{','.join(row.values())}")

    assert [fault.field for fault in refused.value.faults] == [column]
    assert text not in str(refused.value.faults)


@pytest.mark.parametrize("column", ["name", "note", "tags"])
@pytest.mark.parametrize(("secret", "text"), [("plain", "plain"), ("plainword", "is plainword")])
def test_a_secret_that_stands_in_two_columns_is_refused(
    actor, application, acme, column, secret, text
):
    row = {"provider": "acme", "name": "Main", "secret": secret, column: text}
    with pytest.raises(ImportRefused) as refused:
        lifecycle.import_keys(actor, application, f"{','.join(row)}\n{','.join(row.values())}")

    assert [fault.field for fault in refused.value.faults] == [column]
    assert secret not in str(refused.value.faults)


def test_swapped_columns_are_told_beside_other_faults(actor, application, acme):
    text = "acme,Zx81kqPo0aa72hQmmWv3,Main account\nnobody,Second,sk-acme-0002\n"
    with pytest.raises(ImportRefused) as refused:
        lifecycle.import_keys(actor, application, text)

    assert [fault.field for fault in refused.value.faults] == ["name", "provider"]
    assert "are the columns mixed up?" in refused.value.faults[0].message
    assert "Zx81" not in str(refused.value.faults)


def test_a_provider_is_found_by_its_name_and_in_any_letter_case(actor, application, acme):
    words = ["ModelsLab", "modelslab", "OPENAI", "OpenAI", "Acme", "ACME"]
    rows = [f"{word},Key {n},secret-{n}-of-many" for n, word in enumerate(words)]
    made = lifecycle.import_keys(actor, application, "\n".join(rows))

    slugs = ["modelslab", "modelslab", "openai", "openai", "acme", "acme"]
    assert [key.provider for key in made.keys] == slugs


def test_a_name_of_two_providers_is_refused_and_a_slug_is_not(actor, application):
    Provider.objects.create(slug="our-proxy", name="OpenAI", credential_in="bearer")
    with pytest.raises(ImportRefused) as refused:
        lifecycle.import_keys(actor, application, "OpenAI,Main,secret-1-of-many")
    assert "openai, our-proxy" in refused.value.faults[0].message

    (key,) = lifecycle.import_keys(actor, application, "openai,Main,secret-1-of-many").keys
    assert key.provider == "openai"


def test_a_row_costs_few_queries(
    actor, application, acme, django_capture_on_commit_callbacks, django_assert_max_num_queries
):
    with django_capture_on_commit_callbacks(execute=True):
        vault.ensure_system_secrets()
    rows = [f"acme,Key {n},sk-acme-{n:04}\n" for n in range(20)]
    with django_assert_max_num_queries(20 * 10 + 10):
        lifecycle.import_keys(actor, application, "".join(rows))
    assert AuditEvent.objects.filter(action=Action.PROVIDER_KEY_ADDED).count() == 20
