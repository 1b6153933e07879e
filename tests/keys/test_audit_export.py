"""What leaves the trail: anchors that find a database put back, and files for other tools."""

import csv
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from keys import audit
from keys.audit import Action, Actor
from keys.models import Application, AuditEvent, AuditHead, User
from keys.views import audit as pages

pytestmark = pytest.mark.django_db
ClientOf = Callable[..., Client]


def record(number: int, application: Application | None = None, name: str = "system") -> None:
    with transaction.atomic():
        target = f"app_key:{number}"
        audit.record(Actor.system(name), Action.KEY_DISABLED, target, application, place=number)


@pytest.fixture
def chain(application: Application) -> None:
    for number in range(4):
        record(number, application)


def run(*words: str) -> str:
    out = StringIO()
    call_command("audit", *words, stdout=out)
    return out.getvalue()


@pytest.fixture
def anchor(chain: None, tmp_path: Path) -> Path:
    path = tmp_path / "anchor.json"
    path.write_text(run("anchor"))
    return path


def test_a_chain_that_grew_holds_its_anchor(anchor: Path) -> None:
    assert "all 4 events fit, and holds the anchor" in run("verify", "--anchor", str(anchor))
    record(5)
    assert "all 5 events fit, and holds the anchor" in run("verify", "--anchor", str(anchor))


def test_a_database_put_back_whole_to_an_older_state_is_found(anchor: Path) -> None:
    older = list(AuditEvent.objects.order_by("id"))[:3]
    AuditEvent.objects.exclude(pk__in=[event.pk for event in older]).delete()
    AuditHead.objects.all().delete()
    head = AuditHead(pk=1, events=3, digest=older[-1].digest)
    audit.writing.seal_head(head)
    head.save(force_insert=True)
    assert "all 3 events fit" in run("verify")
    with pytest.raises(CommandError, match="the chain is broken"):
        run("verify", "--anchor", str(anchor))
    record(9)  # nor does another history of the same length hold it
    with pytest.raises(CommandError, match="the chain is broken"):
        run("verify", "--anchor", str(anchor))
    record(10)
    with pytest.raises(CommandError, match="the chain is broken at event"):
        run("verify", "--anchor", str(anchor))


def test_a_broken_chain_is_said_with_its_place(chain: None) -> None:
    event = AuditEvent.objects.order_by("id")[1]
    AuditEvent.objects.filter(pk=event.pk).update(target="app_key:other")
    with pytest.raises(CommandError, match=f"broken at event {event.pk}"):
        run("verify")


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"events": 4}', "not json"])
def test_what_is_no_anchor_is_said(chain: None, tmp_path: Path, text: str) -> None:
    file = tmp_path / "file"
    file.write_text(text)
    with pytest.raises(CommandError, match="This is no anchor"):
        run("verify", "--anchor", str(file))


def test_an_anchor_of_another_installation_or_an_edited_one_is_refused(
    anchor: Path, settings: Settings
) -> None:
    edited = {**json.loads(anchor.read_text()), "events": 3}
    (anchor.parent / "edited").write_text(json.dumps(edited))
    with pytest.raises(CommandError, match="not made with this installation’s SECRET_KEY"):
        run("verify", "--anchor", str(anchor.parent / "edited"))


def test_a_missing_file_is_said(chain: None, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="No such file"):
        run("verify", "--anchor", str(tmp_path / "none"))


def test_no_anchor_is_made_of_a_head_that_was_changed(chain: None) -> None:
    AuditHead.objects.update(events=3)
    with pytest.raises(CommandError, match="The chain’s head was changed"):
        run("anchor")


def test_the_command_exports_every_event_oldest_first(chain: None) -> None:
    rows = [json.loads(line) for line in run("export").splitlines()]
    assert [row["detail"]["place"] for row in rows] == [0, 1, 2, 3]
    assert rows[-1]["digest"] == AuditHead.objects.get().digest
    table = list(csv.DictReader(StringIO(run("export", "--format", "csv"))))
    assert [row["target"] for row in table] == [row["target"] for row in rows]
    assert [json.loads(row["detail"]) for row in table] == [row["detail"] for row in rows]


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_run_by_a_spreadsheet(db: None, name: str) -> None:
    record(1, name=name)
    (row,) = csv.DictReader(StringIO("".join(audit.export(AuditEvent.objects.all(), "csv"))))
    assert row["actor"].startswith("'")


def test_the_page_gives_what_its_filters_show_and_the_reader_may_see(
    chain: None, client_of: ClientOf, owner: User, outsider: User
) -> None:
    record(7)  # of no application: the owner's page doesn't show it
    client, url = client_of(owner), reverse("audit_export", args=["jsonl"])
    assert f"{url}?" in client.get(reverse("audit")).content.decode()
    answer = client.get(url)
    assert answer.headers["Content-Disposition"] == "attachment; filename=keydeck-audit.jsonl"
    assert "no-store" in answer.headers["Cache-Control"]
    assert len(answer.content.splitlines()) == 4
    assert client.get(f"{url}?action=key.revoked").content == b""
    assert client_of(outsider).get(url).content == b""
    assert client.get(reverse("audit_export", args=["xml"])).status_code == 404


def test_a_file_of_too_many_events_holds_the_newest(
    chain: None, client_of: ClientOf, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MOST", 2)
    answer = client_of(admin).get(reverse("audit_export", args=["jsonl"]))
    places = [json.loads(line)["detail"]["place"] for line in answer.content.splitlines()]
    assert places == [2, 3]
