"""A restart, or a Redis that was lost, hands no day and no month out again."""

from datetime import UTC, datetime

import pytest
from django.utils import timezone

from keys.models import AppKey, Application
from tests.factories import AppKeyFactory
from tests.gateway.conftest import TEXT2IMG
from tests.gateway.serving import Server, stored_call, wait_until
from usage.gateway import counting, desk
from usage.limits import Limits
from usage.limits.windows import WINDOWS
from usage.models import KeyDay, KeyMinute

WHOLE = Limits(per_day=100, per_month=100)
AT = datetime(2031, 5, 20, 12, 0, 30, tzinfo=UTC)


def counted(model: type[KeyDay | KeyMinute], at: datetime, **fields: object) -> None:
    words = {"application": "a", "app_key": "k", "provider": "p", "provider_key": "v"}
    model.objects.create(
        at=at, **{**words, "outcome": "ok", "status": 200, "requests": 1, **fields}
    )


def test_the_ledgers_minutes_make_the_day_and_its_days_the_month(db: None) -> None:
    minute = AT.replace(second=0)
    counted(KeyMinute, minute, requests=3)
    counted(KeyMinute, minute, requests=2, outcome="key_error")
    counted(KeyMinute, minute, requests=50, outcome="denied")
    counted(KeyMinute, minute.replace(hour=2), requests=7)
    counted(KeyMinute, minute.replace(day=19, hour=13), requests=11)
    counted(KeyMinute, minute.replace(day=19, hour=11), requests=13)
    counted(KeyDay, datetime(2031, 5, 1, tzinfo=UTC), requests=40)
    counted(KeyDay, datetime(2031, 5, 1, tzinfo=UTC), requests=50, outcome="denied")
    counted(KeyDay, datetime(2031, 5, 20, tzinfo=UTC), requests=12)
    counted(KeyDay, datetime(2031, 4, 30, tzinfo=UTC), requests=60)
    counted(KeyDay, datetime(2031, 5, 20, tzinfo=UTC), requests=70, app_key="other")
    found = counting.used("k", WHOLE, AT.timestamp())
    slots = {hour: WINDOWS[1].slot(minute.replace(hour=hour).timestamp()) for hour in (12, 2)}
    before = WINDOWS[1].slot(minute.replace(day=19, hour=13).timestamp())
    assert found[1] == {slots[12]: 5, slots[2]: 7, before: 11}
    assert found[2] == {2031 * 12 + 4: 52}
    assert counting.used("k", Limits(per_minute=5), AT.timestamp()) == {}


@pytest.mark.parametrize(("limit", "word"), [("per_day", "Daily"), ("per_month", "Monthly")])
def test_a_restart_hands_nothing_out_again(
    gateway: Server, application: Application, limit: str, word: str
) -> None:
    key = AppKeyFactory(application=application, **{limit: 3})
    body = {"key": key.plaintext, "prompt": "x"}
    first = gateway.post(TEXT2IMG, json=body)
    assert (first.status_code, first.headers["RateLimit-Remaining"]) == (200, "2")
    stored_call(gateway.post(TEXT2IMG, json=body))
    stored_call(first)
    desk.forget()  # as a process does that ends
    assert gateway.post(TEXT2IMG, json=body).headers["RateLimit-Remaining"] == "0"
    refused = gateway.post(TEXT2IMG, json=body)
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "quota_exceeded"
    assert refused.json()["message"] == f"{word} quota of this app key exceeded"
    assert int(refused.headers["Retry-After"]) == int(refused.headers["RateLimit-Reset"])


def test_a_second_look_makes_up_for_what_was_in_a_spool(
    gateway: Server, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "LATER", 0.3)
    key = AppKeyFactory(application=application, per_month=30)
    body = {"key": key.plaintext, "prompt": "x"}
    assert gateway.post(TEXT2IMG, json=body).status_code == 200
    # Drained only now: calls of a process that died.
    counted(KeyDay, timezone.now().replace(hour=0, minute=0), app_key=key.pk, requests=25)
    wait_until(lambda: int(gateway.post(TEXT2IMG, json=body).headers["RateLimit-Remaining"]) < 6)


def test_with_the_database_away_a_key_counts_from_nothing(
    gateway: Server, app_key: AppKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    AppKey.objects.update(per_day=2)
    body = {"key": app_key.plaintext, "prompt": "x"}  # type: ignore[attr-defined]

    def away(*_: object) -> None:
        raise counting.lookup.Unavailable

    monkeypatch.setattr(counting, "used", away)
    codes = [gateway.post(TEXT2IMG, json=body).status_code for _ in range(3)]
    assert codes == [200, 200, 429]
