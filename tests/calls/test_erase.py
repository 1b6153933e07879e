"""A deleted application's calls, counts and quarantined lines go, and stay gone."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.utils import timezone

from keys.audit import Actor
from keys.lifecycle import delete_application
from keys.models import Application, User
from tests.factories import ApplicationFactory
from tests.ledger.conftest import make_event, new_spool, spools
from usage import erasing, resting, stats
from usage.events import CallEvent
from usage.ingest import drain
from usage.models import Call, Erasure, Quarantine
from usage.spool import Spool
from usage.spool.records import END, encode

__all__ = ["new_spool", "spools"]  # fixtures
pytestmark = pytest.mark.django_db
NOW = timezone.now
LATER = erasing.SETTLED + timedelta(seconds=1)


@pytest.fixture
def other() -> Application:
    return ApplicationFactory(slug="other")


@pytest.fixture
def record(new_spool: Callable[..., Spool]) -> Callable[..., Path]:
    """Stores a call of each of these applications; those of `keep` stay in the spool."""
    writer = new_spool()

    def make(*applications: Application, drained: bool = True) -> Path:
        for application in applications:
            event = recent(application)
            writer.end(writer.begin(event), event)
        if drained:
            drain(writer.directory)
        return writer.directory

    return make


def recent(application: Application) -> CallEvent:
    at = int(NOW().timestamp() * 1000) - 60_000
    return make_event(application=application.pk, started_at=at)


def rows_of(application: str) -> dict[str, int]:
    """Rows by table of the usage app that tell of an application."""
    found = {}
    for model in apps.get_app_config("usage").get_models():
        names = {field.name for field in model._meta.get_fields()}
        if "application" in names and model is not Erasure:
            found[model.__name__] = model.objects.filter(application=application).count()
    return {name: count for name, count in found.items() if count}


def test_everything_of_it_goes_and_nothing_else(
    application: Application, other: Application, owner: User, record: Callable[..., Path]
) -> None:
    record(application, application, other)
    before = rows_of(other.pk)
    assert {"Call", "KeyMinute", "EndpointDay", "KeyHourLatency", "CallerDay"} <= rows_of(
        application.pk
    ).keys()
    gone = application.pk

    delete_application(Actor.person(owner), application)
    assert rows_of(gone)  # in the background, not in the request
    assert erasing.go_on(NOW()) > 6

    assert not rows_of(gone)
    assert rows_of(other.pk) == before
    row = Erasure.objects.get()
    assert (row.calls, row.counts > 0, row.finished_at) == (2, True, None)


def test_what_a_spool_still_held_does_not_come_back(
    application: Application, other: Application, owner: User, record: Callable[..., Path]
) -> None:
    folder = record(application, other, drained=False)
    gone = application.pk
    delete_application(Actor.person(owner), application)
    erasing.go_on(NOW())
    erasing.go_on(NOW() + LATER)
    assert Erasure.objects.get().finished_at

    done = drain(folder)

    assert not rows_of(gone)
    assert (done.stored, Call.objects.count()) == (2, 1)
    account = stats.ledger()
    assert (account.accepted, account.stored, account.lost, account.pending) == (2, 2, 0, 0)


def test_it_is_not_over_while_somebody_may_still_store_what_they_had(
    application: Application, owner: User, record: Callable[..., Path]
) -> None:
    gone = application.pk
    delete_application(Actor.person(owner), application)
    erasing.go_on(NOW())
    Call.objects.bulk_create([Call(id=recent(application).id, started_at=NOW(), application=gone)])
    assert Erasure.objects.get().finished_at is None

    erasing.go_on(NOW() + LATER)

    assert not rows_of(gone)
    assert Erasure.objects.get().finished_at


def test_it_goes_in_parts_and_goes_on_where_it_was_left(
    application: Application,
    owner: User,
    record: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(erasing, "CHUNK", 2)
    record(*[application] * 7)
    gone = application.pk
    delete_application(Actor.person(owner), application)

    parts = 0
    while rows_of(gone):
        assert erasing.go_on(NOW(), seconds=0.0001) or parts == 0
        parts += 1

    assert parts > 1
    assert Erasure.objects.get().calls == 7


def test_others_have_their_turn_between_its_parts(
    application: Application,
    owner: User,
    record: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rests: list[tuple[float, int]] = []
    monkeypatch.setattr(
        resting, "sleep", lambda seconds: rests.append((seconds, Call.objects.count()))
    )
    monkeypatch.setattr(erasing, "CHUNK", 2)
    Call.objects.bulk_create(
        Call(
            id=recent(application).id,
            started_at=NOW() + timedelta(milliseconds=number),
            application=application.pk,
        )
        for number in range(6)
    )
    delete_application(Actor.person(owner), application)

    erasing.go_on(NOW())

    assert [left for _, left in rests][:3] == [4, 2, 0]
    assert all(seconds > 0 for seconds, _ in rests)


def test_one_that_another_worker_is_at_is_left_to_it(
    application: Application, owner: User, record: Callable[..., Path]
) -> None:
    record(application)
    gone = application.pk
    delete_application(Actor.person(owner), application)
    Erasure.objects.update(lease_until=NOW() + timedelta(seconds=30))
    assert erasing.go_on(NOW()) == 0
    assert rows_of(gone)
    assert erasing.go_on(NOW() + timedelta(seconds=31)) > 0  # it died
    assert not rows_of(gone)


def test_quarantined_lines_of_it_go_and_those_that_only_name_it_stay(
    application: Application, other: Application, owner: User
) -> None:
    gone, kept = application.pk, other.pk
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in gone)
    mine = {
        "repr": repr({"application": gone}),
        "escaped": f'{{"application": "{escaped}"}}',
        "spooled": encode(END, 1, 1, recent(application)).decode().strip(),
        "of a later version": f'{{"v": 99, "values": ["x", "{gone}"]}}',
        "damaged": f'00000000 ["e",1,1,1,["x","{gone}"',
    }
    others = {
        "named by its caller": repr({"application": kept, "caller": f"job of {gone}"}),
        "of a later version, named": f'{{"v": 99, "values": ["{kept}", "job of {gone}"]}}',
        "damaged": '00000000 ["e",1,1',
    }
    for number, (reason, line) in enumerate([*mine.items(), *others.items()]):
        Quarantine.objects.create(writer="w", segment=1, offset=number, reason=reason, line=line)

    delete_application(Actor.person(owner), application)
    erasing.go_on(NOW())

    left = Quarantine.objects.order_by("offset").values_list("line", flat=True)
    assert list(left) == list(others.values())
