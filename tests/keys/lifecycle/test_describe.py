"""The words on a key: note, tags, environment, and whom to ask."""

import pytest

from keys import lifecycle
from keys.audit import Action
from keys.lifecycle import Invalid
from keys.models import AuditEvent
from tests.factories import AppKeyFactory, ProviderKeyFactory


@pytest.fixture(params=[ProviderKeyFactory, AppKeyFactory], ids=["provider key", "app key"])
def key(request, application):
    return request.param(application=application)


def test_the_details_given_change_and_the_others_stay(actor, key, developer):
    lifecycle.describe(actor, key, note=" who pays: Ann ", tags="Prod, eu  eu")
    lifecycle.describe(actor, key, owner=developer.email.upper())
    key.refresh_from_db()

    assert (key.note, key.tag_list, key.owner) == ("who pays: Ann", ["eu", "prod"], developer)


def test_the_change_is_audited_with_what_was(actor, key):
    lifecycle.describe(actor, key, note="one")
    lifecycle.describe(actor, key, note="two")
    lifecycle.describe(actor, key, note="two")

    told = [event.detail for event in AuditEvent.objects.filter(action=Action.KEY_DESCRIBED)]
    assert [(detail["was"], detail["now"]) for detail in told] == [
        ({"note": ""}, {"note": "one"}),
        ({"note": "one"}, {"note": "two"}),
    ]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("note", "x" * 2001),
        ("note", "a\x00b"),
        ("tags", "sh!p"),
        ("tags", " ".join(f"t{n}" for n in range(11))),
        ("owner", "outsider@example.com"),
        ("owner", "nobody"),
    ],
)
def test_what_cannot_be_is_refused(actor, key, outsider, field, text):
    with pytest.raises(Invalid) as refused:
        lifecycle.describe(actor, key, **{field: text})

    assert refused.value.field == field


def test_a_provider_key_changes_its_environment_and_an_app_key_does_not(actor, application):
    key = ProviderKeyFactory(application=application)
    lifecycle.describe(actor, key, environment="test")
    key.refresh_from_db()
    assert key.environment == "test"

    with pytest.raises(Invalid, match="inside the key"):
        lifecycle.describe(actor, AppKeyFactory(application=application), environment="test")
