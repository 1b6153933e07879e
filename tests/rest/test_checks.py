"""POST /checks: many keys checked now; GET /checks/{id}: how far it is."""

from typing import Any

import pytest

from keys import sweeping
from keys.models import Application, CheckRun, User
from tests.factories import ApplicationFactory, ProviderKeyFactory
from tests.upstream import Upstream

pytestmark = pytest.mark.django_db
GOOD = {"status": "success", "data": {"balance": 1}}


def test_a_provider_is_checked_and_its_progress_told(
    rest: Any, developer: User, application: Application, allow_upstream: Upstream
) -> None:
    allow_upstream.answer(200, GOOD)
    for _ in range(2):
        ProviderKeyFactory(application=application)
    ProviderKeyFactory(application=application, provider="openai")
    made = rest(developer).post("/checks", {"provider": "modelslab"})
    assert made.status == 202
    assert (made.json["total"], made.json["done"], made.json["ended"]) == (2, 0, False)
    sweeping.check_due()
    told = rest(developer).get(f"/checks/{made.json['id']}").json
    assert (told["done"], told["ended"], told["verdicts"]) == (2, True, {"live": 2})


def test_chosen_keys_and_an_application_are_checked(
    rest: Any, developer: User, application: Application
) -> None:
    one, _ = [ProviderKeyFactory(application=application) for _ in range(2)]
    assert rest(developer).post("/checks", {"keys": [one.pk]}).json["total"] == 1
    assert rest(developer).post("/checks", {"application": "shop"}).json["total"] == 2
    assert CheckRun.objects.get(total=2).scope == "Shop"


def test_too_many_at_once_are_refused(rest: Any, developer: User, application: Application) -> None:
    keys = [ProviderKeyFactory(application=application) for _ in range(6)]
    made = [rest(developer).post("/checks", {"keys": [key.pk]}) for key in keys]
    assert [one.status for one in made] == [202] * 5 + [409]
    assert "wait until one has ended" in made[5].json["message"]
    again = rest(developer).post("/checks", {"keys": [keys[0].pk]})
    assert (again.status, again.json["id"]) == (202, made[0].json["id"])


def test_keys_of_others_are_not_there(rest: Any, developer: User, viewer: User) -> None:
    other = ApplicationFactory(slug="other")
    foreign = ProviderKeyFactory(application=other)
    asked = rest(developer).post("/checks", {"keys": [foreign.pk]})
    assert (asked.status, asked.json["error"]["field"]) == (422, "keys")
    assert rest(developer).post("/checks", {"application": "other"}).status == 404
    assert rest(developer).post("/checks", {"provider": "modelslab"}).status == 422
    assert rest(viewer).post("/checks", {"application": "shop"}).status == 403


@pytest.mark.parametrize(
    "body", [{}, {"keys": []}, {"keys": "x"}, {"all": True}, {"provider": "A b"}]
)
def test_bad_input_is_refused(rest: Any, developer: User, body: dict[str, object]) -> None:
    assert rest(developer).post("/checks", body).status == 422


def test_a_run_of_somebody_else_is_not_there(
    rest: Any, developer: User, owner: User, application: Application
) -> None:
    ProviderKeyFactory(application=application)
    made = rest(owner).post("/checks", {"application": "shop"})
    assert rest(developer).get(f"/checks/{made.json['id']}").status == 404
    assert rest(developer).get("/checks/none").status == 404
