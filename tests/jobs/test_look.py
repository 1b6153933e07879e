"""How jobs stand: on the page, over REST, in the list of what needs attention."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

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
