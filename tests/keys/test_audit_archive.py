"""Append-only in the database too, and retention: the oldest events in a signed file."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from keys import audit
from keys.audit import Action, Actor, BrokenArchive, archives
from keys.models import AuditEvent, AuditHead
from tests.conftest import append_only

pytestmark = pytest.mark.django_db
LONG_AGO = datetime(2025, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def guarded(db: None) -> None:
    """The triggers that the product has, in this test's transaction."""
    with connection.cursor() as cursor:
        postgres = connection.vendor == "postgresql"
        for made in append_only:
            for statement in made.POSTGRES if postgres else made.SQLITE:
                cursor.execute(statement)


@pytest.fixture
def chain(guarded: None, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Two events on each of five days; their ids."""
    moments = iter([LONG_AGO + timedelta(hours=12 * n) for n in range(10)])
    monkeypatch.setattr("keys.audit.writing.timezone.now", lambda: next(moments))
    made = []
    for number in range(10):
        with transaction.atomic():
            detail = {"place": number, "text": "ключ €"}
            event = audit.record(Actor.system("t"), Action.KEY_DISABLED, "app_key:x", **detail)
            made.append(event.pk)
    monkeypatch.undo()
    return made


def run(*words: str) -> str:
    out = StringIO()
    call_command("audit", *words, stdout=out)
    return out.getvalue()


def cut(out: Path, day: str) -> str:
    return run("archive", "--before", day, "--out", str(out))


def _insert_over(event: AuditEvent) -> None:
    """SQLite's REPLACE deletes the row that is there, past triggers on deletion."""
    if connection.vendor == "postgresql":
        raise DatabaseError("append-only: no such statement")
    with connection.cursor() as cursor:
        names = ", ".join(field.column for field in AuditEvent._meta.fields)
        values = names.replace("actor_name", "'nobody'")
        cursor.execute(
            f"INSERT OR REPLACE INTO keys_auditevent ({names}) "  # noqa: S608 - names of the model
            f"SELECT {values} FROM keys_auditevent WHERE id = %s",
            [event.pk],
        )


@pytest.mark.parametrize(
    "act",
    [
        lambda: AuditEvent.objects.update(actor_name="nobody"),
        lambda: AuditEvent.objects.all().delete(),
        lambda: AuditEvent.objects.order_by("-id")[0].delete(),
        lambda: _insert_over(AuditEvent.objects.order_by("-id")[0]),
        lambda: AuditHead.objects.all().delete(),
        lambda: AuditHead.objects.update(events=9),
        lambda: AuditHead.objects.update(archived_to=-1),
    ],
    ids=["update", "delete", "delete one", "write over", "delete head", "set back", "unarchive"],
)
def test_the_database_refuses_to_change_or_remove_events(
    chain: list[int], act: Callable[[], Any]
) -> None:
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        act()
    assert AuditEvent.objects.count() == 10


def test_events_of_the_past_are_moved_and_the_chain_goes_on(
    chain: list[int], tmp_path: Path
) -> None:
    out = tmp_path / "old.jsonl"
    assert cut(out, "2025-03-04").startswith("5 events from before 2025-03-04 00:00 UTC")

    assert out.stat().st_mode & 0o777 == 0o600
    left = list(AuditEvent.objects.order_by("id").values_list("pk", flat=True))
    assert left[:-1] == chain[5:]
    assert AuditEvent.objects.get(pk=left[-1]).action == Action.AUDIT_ARCHIVED
    assert "all 11 events fit" in run("verify")
    assert "5 of them in the archives" in run("verify", "--archive", str(out))
    assert [json.loads(line).get("id") for line in out.read_text().splitlines()] == [
        *chain[:5],
        None,
    ]


def test_archives_join_one_another(chain: list[int], tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    cut(first, "2025-03-03")
    cut(second, "2025-03-05")
    assert "7 of them in the archives" in run("verify", "--archive", str(first), str(second))
    with pytest.raises(CommandError, match="doesn't join"):
        run("verify", "--archive", str(first))


def test_what_is_archived_can_be_removed_and_no_more(chain: list[int], tmp_path: Path) -> None:
    cut(tmp_path / "old", "2025-03-03")
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        AuditEvent.objects.filter(pk=chain[5]).delete()


def test_an_anchor_from_before_is_still_one(chain: list[int], tmp_path: Path) -> None:
    anchor = tmp_path / "anchor"
    anchor.write_text(run("anchor"))
    cut(tmp_path / "old", "2025-03-03")
    assert "holds the anchor" in run("verify", "--anchor", str(anchor))


@pytest.mark.parametrize(
    "edit",
    [
        lambda lines: [lines[0].replace('"t"', '"x"', 1), *lines[1:]],
        lambda lines: [*lines[:1], *lines[2:]],
        lambda lines: [lines[1], lines[0], *lines[2:]],
        lambda lines: lines[1:],
        lambda lines: lines[:-1],
        lambda lines: [*lines[:-2], lines[-1]],
        lambda lines: [*lines, lines[0]],
        lambda lines: [*lines[:-1], lines[-1].replace('"ends": 5', '"ends": 6')],
        lambda lines: ["{}", *lines[1:]],
        lambda lines: ["nonsense", *lines[1:]],
        lambda lines: [],
    ],
)
def test_a_changed_archive_is_found(
    chain: list[int], tmp_path: Path, edit: Callable[[list[str]], list[str]]
) -> None:
    out = tmp_path / "old"
    cut(out, "2025-03-04")
    out.write_text("\n".join(edit(out.read_text().splitlines())))

    with pytest.raises(CommandError):
        run("verify", "--archive", str(out))


def test_events_put_back_behind_an_archive_are_found(chain: list[int], tmp_path: Path) -> None:
    first = AuditEvent.objects.get(pk=chain[0])
    cut(tmp_path / "old", "2025-03-03")
    AuditEvent.objects.bulk_create([first])

    with pytest.raises(CommandError, match=f"event {chain[0]}"):
        run("verify")


def test_a_head_that_claims_an_archive_is_found(chain: list[int]) -> None:
    fifth = AuditEvent.objects.get(pk=chain[4])
    AuditHead.objects.update(archived_events=5, archived_digest=fifth.digest, archived_to=fifth.pk)
    AuditEvent.objects.filter(pk__lte=fifth.pk).delete()  # the triggers believe it

    with pytest.raises(CommandError, match="broken at its head"):
        run("verify")


@pytest.mark.parametrize("step", ["_write", "read_archive", "_cut"])
def test_killed_at_any_step_nothing_is_lost(
    chain: list[int], tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(archives, step, killed)
        with pytest.raises(KeyboardInterrupt):
            cut(tmp_path / "old", "2025-03-04")
    assert AuditEvent.objects.count() == 10
    assert "all 10 events fit" in run("verify")
    again = tmp_path / ("again" if step == "_write" else "old")  # a whole file is gone on with
    assert cut(again, "2025-03-04").startswith("5 events")
    assert "5 of them in the archives" in run("verify", "--archive", str(again))


def test_the_same_again_changes_nothing(chain: list[int], tmp_path: Path) -> None:
    out = tmp_path / "old"
    cut(out, "2025-03-04")
    written, left = out.read_bytes(), list(AuditEvent.objects.values_list("pk", flat=True))

    with pytest.raises(CommandError, match="no event is older"):
        cut(out, "2025-03-04")
    assert out.read_bytes() == written
    assert list(AuditEvent.objects.values_list("pk", flat=True)) == left


def test_a_file_that_is_there_is_not_written_over(chain: list[int], tmp_path: Path) -> None:
    out = tmp_path / "old"
    out.write_text("mine")
    with pytest.raises(CommandError, match="File exists"):
        cut(out, "2025-03-04")
    assert out.read_text() == "mine"


def test_nothing_old_enough_is_said(chain: list[int], tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no event is older than 2025-03-01"):
        cut(tmp_path / "old", "2025-03-01")


def test_what_is_no_day_is_told(chain: list[int], tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="“soon” is no day or moment"):
        cut(tmp_path / "old", "soon")


def test_a_moment_within_a_day_parts_its_events(chain: list[int], tmp_path: Path) -> None:
    assert cut(tmp_path / "old", "2025-03-03T08:00-05:00").startswith("5 events from before")


def test_a_day_that_has_not_come_is_refused_and_takes_nothing_along(
    chain: list[int], tmp_path: Path
) -> None:
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()
    with pytest.raises(CommandError, match=f"{tomorrow} 00:00 UTC has not come"):
        cut(tmp_path / "old", str(tomorrow))
    assert AuditEvent.objects.count() == len(chain)
    assert not (tmp_path / "old").exists()


def test_a_broken_chain_is_not_archived(chain: list[int], tmp_path: Path) -> None:
    AuditHead.objects.update(events=11)
    with pytest.raises(CommandError, match="the chain is broken"):
        cut(tmp_path / "old", "2025-03-04")
    assert not (tmp_path / "old").exists()


def test_an_archive_of_another_installation_is_refused(
    chain: list[int], tmp_path: Path, settings: Any
) -> None:
    out = tmp_path / "old"
    cut(out, "2025-03-04")
    settings.SECRET_KEY = "another" * 10
    with pytest.raises(BrokenArchive):
        audit.read_archive(out)
