"""REST for periodic work."""

from collections.abc import Callable

import pytest

from keys import jobs
from keys.models import User
from tests.rest.conftest import Rest


@pytest.fixture
def _rows(db: None) -> None:
    jobs.register({f"a.tasks.{name}": (5.0, f"Does {name}") for name in ("a", "b", "c")})


@pytest.mark.usefixtures("_rows")
def test_jobs_are_listed_by_name(rest: Callable[..., Rest], admin: User) -> None:
    first = rest(admin).get("/jobs", limit=2).json
    assert [one["name"] for one in first["items"]] == ["a.tasks.a", "a.tasks.b"]
    assert first["items"][0]["every_seconds"] == 5.0
    assert first["items"][0]["late_seconds"] == 0
    rest_of = rest(admin).get("/jobs", cursor=first["next"]).json
    assert [one["name"] for one in rest_of["items"]] == ["a.tasks.c"]
    assert rest_of["next"] is None


def test_jobs_are_for_site_admins(rest: Callable[..., Rest], owner: User) -> None:
    assert rest(owner).get("/jobs").status == 403
