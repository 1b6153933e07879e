"""How jobs stand: on the page, over REST, in the list of what needs attention."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from config.celery import BEAT, app
from keys import jobs
from keys.models import Job, User


@pytest.fixture
def rows(db: None) -> None:
    jobs.register({"a.tasks.late": (5.0, "Is late"), "a.tasks.fine": (300.0, "Is fine")})
    Job.objects.filter(pk="a.tasks.late").update(next_at=timezone.now() - timedelta(minutes=2))


@pytest.mark.usefixtures("rows")
def test_what_is_late_comes_first() -> None:
    found = jobs.standings()
    assert [one.name for one in found] == ["a.tasks.late", "a.tasks.fine"]
    assert found[0].late_seconds >= 120
    assert found[1].late_seconds == 0
    assert [one.name for one in jobs.late()] == ["a.tasks.late"]


@pytest.mark.usefixtures("rows")
def test_what_is_running_is_not_late() -> None:
    Job.objects.update(lease_until=timezone.now() + jobs.LEASE)
    assert jobs.late() == []


@pytest.mark.usefixtures("rows")
def test_the_page_says_what_is_late(client_of: Callable[..., Client], admin: User) -> None:
    Job.objects.filter(pk="a.tasks.fine").update(error="OSError: <b>disk</b>", failures=3)
    page = client_of(admin).get("/settings/jobs/").content.decode()
    assert "1 of 2 jobs is late" in page
    assert page.index("Is late") < page.index("Is fine")
    assert "OSError: &lt;b&gt;disk" in page


def test_an_installation_without_a_worker_is_told_so(
    client_of: Callable[..., Client], admin: User
) -> None:
    page = client_of(admin).get("/settings/jobs/").content.decode()
    assert "No job has run yet" in page


@pytest.mark.usefixtures("rows")
def test_the_page_costs_the_same_for_any_number_of_jobs(
    client_of: Callable[..., Client],
    admin: User,
    django_assert_max_num_queries: Callable[..., object],
) -> None:
    client = client_of(admin)
    jobs.register({f"a.tasks.number_{n}": (5.0, "") for n in range(50)})
    with django_assert_max_num_queries(6):  # type: ignore[attr-defined]
        assert client.get("/settings/jobs/").status_code == 200


def test_what_has_never_run_is_not_said_to_run_in_time(
    client_of: Callable[..., Client], admin: User
) -> None:
    jobs.register({"a.tasks.new": (300.0, "Is new"), "a.tasks.fine": (300.0, "Is fine")})
    client = client_of(admin)
    page = client.get("/settings/jobs/").content.decode()
    assert "No job has run yet: each runs for the first time within its interval." in page
    assert page.count("within 5 minutes") == 2
    Job.objects.filter(pk="a.tasks.fine").update(finished_at=timezone.now())
    page = client.get("/settings/jobs/").content.decode()
    assert "No job is late; 1 of 2 has not run yet" in page
    assert "run in time" not in page
    Job.objects.update(finished_at=timezone.now())
    assert "All 2 jobs run in time." in client.get("/settings/jobs/").content.decode()


def test_no_job_says_another_time_than_its_interval() -> None:
    told = [app.tasks[name].__doc__.splitlines()[0] for name in BEAT if name in app.tasks]
    assert told
    assert not [words for words in told if re.search(r"once a|every (day|hour|minute)", words)]
