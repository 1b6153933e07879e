"""REST for alerts and hygiene."""

from collections.abc import Callable
from typing import Any

import pytest

from keys.models import AppKey, Application, ProviderKey, User
from tests.alerts.conftest import HOOK, Rule, evaluate
from tests.factories import ApiTokenFactory
from tests.rest.conftest import Rest
from tests.upstream import Upstream
from usage import hygiene
from usage.alerts import defaults
from usage.alerts.delivering import deliver_due
from usage.models import AlertChannel

RestOf = Callable[..., Rest]


@pytest.fixture
def rest() -> RestOf:
    return lambda user, **token: Rest(ApiTokenFactory(user=user, **token).plaintext)


def test_rules_are_made_read_changed_and_deleted(
    rest: RestOf, owner: User, application: Application, webhook: AlertChannel
) -> None:
    api = rest(owner)
    body = {
        "application": "shop",
        "name": "Failing",
        "condition": "error_rate",
        "params": {"percent": 5},
        "channels": [webhook.pk],
    }
    made = api.post("/alerts/rules", body)
    assert made.status == 201
    assert made.json["params"] == {"percent": 5, "minutes": 15, "calls": 20, "each": "application"}
    one = f"/alerts/rules/{made.json['id']}"
    assert api.get(one).json == made.json
    changed = api.patch(one, {"enabled": False, "cooldown_seconds": 60}).json
    assert changed == made.json | {"enabled": False, "cooldown_seconds": 60}
    other = api.patch(one, {"condition": "unused"}).json
    assert other["params"] == {"days": 30}
    assert api.delete(one).status == 204
    assert api.get(one).status == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"condition": "nothing"}, "condition"),
        ({"params": {"percent": 101}}, "params.percent"),
        ({"params": {"verdicts": 1}}, "params.verdicts"),
        ({"channels": ["0"]}, "channels"),
        ({"cooldown_seconds": -1}, "cooldown_seconds"),
        ({"provider": "nobody"}, "provider"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_field_that_can_not_be_is_named(
    change: dict[str, Any], field: str, rest: RestOf, owner: User, application: Application
) -> None:
    body = {"application": "shop", "name": "R", "condition": "error_rate", **change}
    answer = rest(owner).post("/alerts/rules", body)
    assert (answer.status, answer.json["error"]["field"]) == (422, field)


def test_a_channels_secret_is_given_once_and_its_address_never(
    rest: RestOf, owner: User, application: Application, receiver: Upstream
) -> None:
    api = rest(owner)
    body = {"application": "shop", "name": "Ops", "kind": "webhook", "url": receiver.url + HOOK}
    made = api.post("/alerts/channels", body)
    assert made.status == 201
    assert made.json["secret"].startswith("whsec_")
    assert made.json["host"] == "127.0.0.1"
    one = f"/alerts/channels/{made.json['id']}"
    tested = api.post(f"{one}/test")
    assert (tested.status, tested.json["state"], tested.json["status"]) == (200, "sent", 200)
    again = api.post(f"{one}/secret").json["secret"]
    assert again != made.json["secret"]
    answers = [api.get(path) for path in (one, "/alerts/channels", "/alerts/deliveries", "/audit")]
    answers += [api.patch(one, {"digest": "daily"}), made, tested]
    for answer in answers:
        assert answer.status in (200, 201)
        assert "T0ken" not in answer.text
        assert again not in answer.text
    assert api.delete(one).status == 204


def test_an_address_inside_is_refused_and_not_repeated(
    rest: RestOf, owner: User, application: Application
) -> None:
    body = {"application": "shop", "name": "Ops", "kind": "slack"}
    answer = rest(owner).post("/alerts/channels", {**body, "url": "https://10.0.0.1/T0ken"})
    assert (answer.status, answer.json["error"]["field"]) == (422, "url")
    assert "T0ken" not in answer.text


def test_what_fires_and_what_was_sent(
    rest: RestOf, viewer: User, outsider: User, rule: Rule, webhook: AlertChannel,
    provider_key: ProviderKey,
) -> None:  # fmt: skip
    rule(channels=[webhook.pk])
    ProviderKey.objects.update(verdict="dead")
    evaluate()
    deliver_due()
    (fires,) = rest(viewer).get("/alerts/firing").json["items"]
    assert fires["title"] == "Shop · Main account is dead"
    assert fires["subject"] == provider_key.target
    (sent,) = rest(viewer).get("/alerts/deliveries", state="sent").json["items"]
    assert sent["alerts"][0]["title"] == fires["title"]
    assert [one["status"] for one in sent["log"]] == [200]
    assert rest(viewer).get("/alerts/deliveries", state="pending").json["items"] == []
    for path in ("/alerts/firing", "/alerts/deliveries"):
        assert rest(outsider).get(path).json["items"] == []


def test_deliveries_are_walked_newest_first(
    rest: RestOf, owner: User, webhook: AlertChannel
) -> None:
    api = rest(owner)
    ids = [api.post(f"/alerts/channels/{webhook.pk}/test").json["id"] for _ in range(5)]
    seen, cursor = [], None
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = api.get("/alerts/deliveries", **query).json
        seen += [one["id"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ids[::-1]
    assert api.get("/alerts/deliveries", cursor="bm9wZQ").status == 422


def test_a_built_in_rule_is_not_deleted(rest: RestOf, admin: User) -> None:
    defaults.ensure()
    built_in = [one for one in rest(admin).get("/alerts/rules").json["items"] if one["built_in"]]
    assert rest(admin).delete(f"/alerts/rules/{built_in[0]['id']}").status == 409


def test_the_inbox_is_listed_mended_and_put_off(
    rest: RestOf, owner: User, viewer: User, app_key: AppKey
) -> None:
    hygiene.sweep()
    items = rest(viewer).get("/hygiene", application="shop").json["items"]
    unknown = rest(viewer).get("/hygiene", code="untidy")
    assert (unknown.status, unknown.json["error"]["field"]) == (422, "code")
    found = {one["code"]: one for one in items}
    assert set(found) == {"no_limit", "no_expiry", "no_owner"}
    place = f"/hygiene/{found['no_limit']['id']}"
    assert rest(viewer).post(f"{place}/fix").status == 403
    assert rest(owner).post(f"{place}/fix").json == {"fixed": "Limit it"}
    assert AppKey.objects.get().per_day == 100
    assert rest(owner).post(f"{place}/fix").status == 404
    later = f"/hygiene/{found['no_expiry']['id']}/snooze"
    assert rest(owner).post(later, {"days": 8}).status == 422
    assert rest(owner).post(later, {"days": 7}).json["snoozed_until"]
    waiting = rest(owner).get("/hygiene").json["items"]
    assert [one["code"] for one in waiting] == ["no_owner"]
    put_off = rest(owner).get("/hygiene", snoozed="true").json["items"]
    assert [one["code"] for one in put_off] == ["no_expiry"]
