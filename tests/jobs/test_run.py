"""A job runs when it is due, once, and what came of it stands in its row."""

import os
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from config.celery import BEAT
from config.celery import app as celery
from keys import jobs
from keys.jobs import holders
from keys.jobs.holders import is_gone, new_holder
from keys.jobs.task import JobTask
from keys.models import Job

NAME = "keys.tasks.check_due"
EVERY = 10.0


@pytest.fixture
def row(db: None) -> Job:
    jobs.register({NAME: (EVERY, "Checks the provider keys that are due")})
    return Job.objects.get()


def work() -> str:
    return "done"


def test_a_due_job_runs_and_says_so(row: Job) -> None:
    before = timezone.now()
    assert jobs.run(NAME, work) == "done"
    row.refresh_from_db()
    assert row.finished_at is not None and row.finished_at >= before
    assert row.started_at is not None
    assert row.next_at == row.started_at + timedelta(seconds=EVERY)
    assert row.duration_ms is not None
    assert (row.runs, row.failures, row.lease_until, row.holder) == (1, 0, None, "")


def test_a_second_message_finds_nothing_to_do(row: Job) -> None:
    jobs.run(NAME, work)
    assert jobs.run(NAME, work) is None


def test_a_message_that_comes_a_little_early_is_in_time(row: Job) -> None:
    now = timezone.now()
    jobs.run(NAME, work, now)
    assert jobs.run(NAME, work, now + timedelta(seconds=EVERY - 1)) == "done"


def test_a_lost_message_costs_one_tick(row: Job) -> None:
    now = timezone.now()
    jobs.run(NAME, work, now)
    assert jobs.run(NAME, work, now + timedelta(seconds=2 * EVERY)) == "done"


def test_a_job_that_fails_tells_why_and_is_due_again(row: Job) -> None:
    def fail() -> None:
        raise ValueError("the key=abcdefgh12345678 was refused")

    with pytest.raises(ValueError, match="refused"):
        jobs.run(NAME, fail)
    row.refresh_from_db()
    assert (row.runs, row.failures, row.failed_in_a_row, row.lease_until) == (1, 1, 1, None)
    assert row.error == "ValueError: the key=[masked] was refused"
    assert row.error_at is not None
    assert jobs.run(NAME, work, row.next_at) == "done"
    row.refresh_from_db()
    assert (row.failures, row.failed_in_a_row) == (1, 0)


def test_what_another_holds_is_left_to_it_until_the_lease_is_over(row: Job) -> None:
    now = timezone.now()
    held = {"holder": "elsewhere/pid:[1]/7/99/x", "lease_until": now + jobs.LEASE}
    Job.objects.update(**held)
    assert jobs.run(NAME, work, now) is None
    assert jobs.run(NAME, work, now + jobs.LEASE) == "done"


def test_a_worker_killed_on_this_machine_is_not_waited_for(row: Job) -> None:
    code = (
        "import django; django.setup()\n"
        "from keys.jobs.holders import new_holder; print(new_holder())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    Job.objects.update(holder=done.stdout.strip(), lease_until=timezone.now() + jobs.LEASE)
    assert jobs.run(NAME, work) == "done"


def test_who_lives_or_can_not_be_seen_is_not_gone() -> None:
    mine = new_holder()
    boot, space, pid, born, token = mine.split("/")
    assert not is_gone(mine)
    assert not is_gone("/".join((boot, "pid:[7]", pid, "1", token)))
    assert is_gone("/".join((boot, space, pid, f"{born}1", token)))  # another got its number


def test_a_machine_of_the_same_name_is_another_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its processes have numbers and times of their own, and its first ones the same space."""
    there = tmp_path / "boot_id"
    there.write_text("8a1bb3a3-0000-4000-8000-000000000000\n")
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(holders, "BOOT", there)
        *place, pid, _, token = new_holder().split("/")
    assert not is_gone("/".join((*place, pid, "1", token)))


def test_where_the_kernel_tells_nothing_nobody_is_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(holders, "BOOT", tmp_path / "missing")
    *place, pid, _, token = new_holder().split("/")
    assert not is_gone("/".join((*place, pid, "1", token)))


@given(st.text(max_size=60))
def test_any_text_for_a_holder_is_one_that_can_not_be_seen(text: str) -> None:
    assert not is_gone(text)


def test_a_run_that_outlived_its_lease_leaves_it_to_whoever_has_it(row: Job) -> None:
    until = timezone.now() + jobs.LEASE

    def stolen() -> None:
        Job.objects.update(holder="another", lease_until=until)

    jobs.run(NAME, stolen)
    row.refresh_from_db()
    assert (row.runs, row.holder, row.lease_until) == (1, "another", until)


def test_work_with_leases_of_its_own_is_joined_by_the_next_tick_and_by_no_other(row: Job) -> None:
    now = timezone.now()
    answers: list[str | None] = []

    def waits() -> str:
        """For an answer, while the clock goes on."""
        for later in (0.0, 1.0, EVERY, EVERY):
            at = now + timedelta(seconds=later)
            answers.append(jobs.run(NAME, work, at, side_by_side=True))
        return "waited"

    assert jobs.run(NAME, waits, now, side_by_side=True) == "waited"
    assert answers == [None, None, "done", None]
    row.refresh_from_db()
    assert (row.runs, row.lease_until) == (2, None)
    assert row.next_at == now + timedelta(seconds=2 * EVERY)


@pytest.mark.django_db(transaction=True)
def test_two_workers_do_not_run_one_job_at_once() -> None:
    jobs.register({NAME: (EVERY, "")})
    begun, may_end, answers = threading.Event(), threading.Event(), []

    def slow() -> str:
        begun.set()
        assert may_end.wait(20)
        return "slow"

    def first() -> None:
        answers.append(jobs.run(NAME, slow))
        connection.close()

    worker = threading.Thread(target=first)
    worker.start()
    assert begun.wait(20)
    assert jobs.run(NAME, work) is None
    may_end.set()
    worker.join()
    assert answers == ["slow"]


def test_jobs_that_are_no_more_lose_their_row(row: Job) -> None:
    jobs.register({"keys.tasks.new": (5.0, "")})
    assert list(Job.objects.values_list("name", flat=True)) == ["keys.tasks.new"]


def test_every_task_that_beat_wakes_goes_through_the_door() -> None:
    celery.loader.import_default_modules()
    assert set(celery.conf.beat_schedule) == set(BEAT) >= set(celery.conf.side_by_side)
    for name in BEAT:
        task = celery.tasks[name]
        assert isinstance(task, JobTask)
        assert task.__doc__, f"{name} says what it does"


@pytest.mark.django_db
def test_a_task_run_by_a_worker_writes_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JobTask, "_registered", False)
    celery.loader.import_default_modules()
    task = celery.tasks["keys.tasks.forget_sessions"]
    for _ in range(2):
        assert task.apply(throw=True).successful()
    rows = {row.name: row for row in Job.objects.all()}
    assert set(rows) == set(BEAT)
    assert rows["keys.tasks.forget_sessions"].runs == 1
    assert rows["keys.tasks.forget_sessions"].words == "Removes the sessions whose time is over"
