"""Quarantined lines: why, without what they hold; tried again or let go of by a site admin."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from keys.models import Application, AuditEvent, User
from tests.ledger.conftest import make_event
from tests.pages_usage.conftest import Call
from usage import stats
from usage.models import Call as Row
from usage.models import Quarantine, SpoolWriter

pytestmark = pytest.mark.django_db
SignIn = Callable[..., Client]
PAGE = "/ledger/quarantine/"
SECRET = "sk-proj-abcdefghijklmnop0123456789"


@pytest.fixture
def quarantined(application: Application, store: Callable[..., None]) -> Callable[..., Quarantine]:
    """A line as ingest sets it aside; `event=None`: one that nothing can be read in."""

    def make(event: Any = (), reason: str = "status is out of range", **fields: Any) -> Quarantine:
        at = int(timezone.now().timestamp() * 1000)
        if event == ():
            made = make_event(application=application.pk, started_at=at, **fields)
            event = made._asdict()
            event |= {"source": "gateway", "outcome": made.outcome.value, "tried": []}
        line = f"broken {SECRET}" if event is None else repr(event)
        place = Quarantine.objects.count()
        row = {"writer": "host.0123", "segment": 1, "offset": place}
        return Quarantine.objects.create(**row, reason=reason, line=line)

    return make


def act(client: Client, row: Quarantine, name: str) -> object:
    return client.post(reverse("quarantine_act", args=[row.pk, name]), follow=True)


def test_a_line_tells_why_and_which_call_and_nothing_that_it_holds(
    client_of: SignIn, admin: User, quarantined: Callable[..., Quarantine]
) -> None:
    quarantined(user_agent=SECRET, message=SECRET, caller=SECRET)
    quarantined(None, reason=f"value too long: '{SECRET}'\nDETAIL: Key (id)=({SECRET})")
    text = client_of(admin).get(PAGE).text
    assert "status is out of range" in text and "value too long" in text
    assert "/api/v6/images/text2img" in text
    assert "can’t be read" in text
    assert SECRET not in text
    assert text.count("Try again") == 1  # where there is something to try


def test_one_tried_again_is_stored_once_and_written_down(
    client_of: SignIn, admin: User, quarantined: Callable[..., Quarantine]
) -> None:
    first = quarantined()
    twin = Quarantine.objects.create(
        writer="other", segment=1, offset=0, reason="x", line=first.line
    )
    client = client_of(admin)
    asked = client.get(reverse("quarantine_act", args=[first.pk, "retry"])).text
    assert "Try it again?" in asked
    act(client, first, "retry")
    act(client, twin, "retry")
    assert Row.objects.count() == 1
    assert not Quarantine.objects.exists()
    assert [event.action for event in AuditEvent.objects.all()] == ["quarantine.retried"] * 2
    told = stats.ledger()
    assert (told.accepted, told.stored, told.duplicates, told.lost) == (2, 1, 1, 0)


def test_one_that_still_cannot_be_stored_comes_back(
    client_of: SignIn, admin: User, quarantined: Callable[..., Quarantine]
) -> None:
    act(client_of(admin), quarantined(status=2**40), "retry")
    assert not Row.objects.exists()
    assert "status" in Quarantine.objects.get().reason


def test_one_of_a_version_that_is_not_known_stays(
    client_of: SignIn, admin: User, quarantined: Callable[..., Quarantine]
) -> None:
    row = quarantined({"v": 99, "values": [1, 2]})
    answer = act(client_of(admin), row, "retry")
    assert "unknown event version 99" in answer.text  # type: ignore[attr-defined]
    assert Quarantine.objects.filter(pk=row.pk).exists()
    assert not AuditEvent.objects.exists()


def test_one_let_go_of_is_gone_and_written_down(
    client_of: SignIn, admin: User, quarantined: Callable[..., Quarantine]
) -> None:
    client, row = client_of(admin), quarantined(None)
    assert "can’t be undone" in client.get(reverse("quarantine_act", args=[row.pk, "let-go"])).text
    act(client, row, "let-go")
    assert not Quarantine.objects.exists()
    assert AuditEvent.objects.get().action == "quarantine.let_go"
    assert SECRET not in json.dumps(AuditEvent.objects.get().detail)
    answer = client.post(reverse("quarantine_act", args=[row.pk, "let-go"]))
    assert "Somebody saw to this line already" in answer.text


def test_they_are_paged_without_a_count(
    client_of: SignIn,
    admin: User,
    quarantined: Callable[..., Quarantine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("usage.stats.quarantine.PAGE", 2)
    rows = [quarantined() for _ in range(3)]
    client = client_of(admin)
    first = client.get(PAGE).text
    assert f"?before={rows[1].pk}" in first
    assert client.get(PAGE, {"before": rows[1].pk}).text.count("Let go") == 1
    assert client.get(PAGE, {"before": "x"}).status_code == 404


def test_they_are_for_site_admins(
    client_of: SignIn, owner: User, quarantined: Callable[..., Quarantine]
) -> None:
    row, client = quarantined(), client_of(owner)
    assert client.get(PAGE).status_code == 403
    for name in ("retry", "let-go"):
        assert client.post(reverse("quarantine_act", args=[row.pk, name])).status_code == 403
    assert Quarantine.objects.exists()


def test_the_ledger_says_that_some_wait(
    client_of: SignIn, admin: User, quarantined: Callable[..., Quarantine]
) -> None:
    quarantined()
    text = client_of(admin).get(reverse("ledger")).text
    assert "1 quarantined line could not be stored and waits" in text


def test_the_command_fails_for_lost_calls_alone(call: Call) -> None:
    call()
    out = io.StringIO()
    call_command("ledger", "--json", stdout=out)
    assert json.loads(out.getvalue())["stored"] == 1
    SpoolWriter.objects.update(accepted=3, lost=2)
    out = io.StringIO()
    with pytest.raises(CommandError, match="2 accepted calls got lost"):
        call_command("ledger", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert (told["lost"], told["troubles"][0]["level"]) == (2, "danger")
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("ledger", stdout=out)
    assert out.getvalue().startswith("2 calls got lost, of ")


def test_an_erasure_that_goes_on_is_said(
    client_of: SignIn, admin: User, application: Application, call: Call
) -> None:
    call()
    application.delete()
    text = client_of(admin).get(reverse("ledger")).text
    assert "Shop, which was deleted, is being erased" in text


@pytest.mark.parametrize("name", ["retry", "let-go"])
def test_a_line_that_there_is_not_is_not_asked_about(
    client_of: SignIn, admin: User, name: str
) -> None:
    client, address = client_of(admin), reverse("quarantine_act", args=[999, name])
    assert client.get(address).status_code == 404
    wrong = client.put(address)
    assert (wrong.status_code, wrong["Allow"]) == (405, "GET, POST")
    assert "Nothing is done by opening this address" in wrong.text
