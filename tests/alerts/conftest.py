"""What the tests of alerts share: rules, channels, keys, and calls that were really stored."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import uuid_utils
from django.conf import settings as site
from django.utils import timezone
from pytest_django import Settings

from keys.audit import Actor
from keys.models import AppKey, Application, ProviderKey
from tests.factories import AppKeyFactory, ProviderKeyFactory
from tests.upstream import Upstream
from usage import ingest, spool
from usage.alerts import channels, evaluating, rules
from usage.alerts.rules import RuleFields
from usage.events import CallEvent, Outcome, Source
from usage.models import AlertChannel, AlertDelivery, AlertRule
from usage.spool import Spool

Rule = Callable[..., AlertRule]


@pytest.fixture(autouse=True)
def _no_built_in_rules(db: None) -> None:
    """Each test makes the rules that it speaks of."""
    AlertRule.objects.all().delete()


@pytest.fixture
def provider_key(application: Application) -> ProviderKey:
    return ProviderKeyFactory(application=application, name="Main account", verdict="live")


@pytest.fixture
def app_key(application: Application) -> AppKey:
    return AppKeyFactory(application=application, name="Website")


@pytest.fixture
def receiver(upstream: Upstream, settings: Settings) -> Upstream:
    """A webhook's receiver on this machine, let through by the operator."""
    settings.OUTBOUND_ALLOW = [*settings.OUTBOUND_ALLOW, upstream.host]
    return upstream


HOOK = "/hooks/T0ken0fTheHook9876/in?sig=AnotherPartOfIt55"


@pytest.fixture
def webhook(actor: Actor, application: Application, receiver: Upstream) -> AlertChannel:
    made, _ = channels.create_channel(
        actor, application, name="Ops", kind="webhook", url=receiver.url + HOOK
    )
    return made


@pytest.fixture
def rule(actor: Actor, application: Application) -> Rule:
    """`rule("verdict", {…})`: one of the application's, without a cooldown unless it is given."""

    def make(condition: str = "verdict", params: Any = None, **fields: Any) -> AlertRule:
        told = {"name": "Rule", "channels": [], "cooldown_seconds": 0, **fields}
        return rules.create_rule(
            actor, application, RuleFields(condition=condition, params=params or {}, **told)
        )

    return make


@pytest.fixture
def store(application: Application, app_key: AppKey, provider_key: ProviderKey) -> Any:
    """`store(20, outcome=…)`: so many calls a minute ago, as the gateway records them."""

    def keep(count: int = 1, *, ago: timedelta = timedelta(minutes=1), **fields: Any) -> None:
        mine = Spool(Path(site.SPOOL_DIR) / spool.new_writer_id())
        at = int((timezone.now() - ago).timestamp() * 1000)
        for number in range(count):
            event = CallEvent(
                **{
                    "id": str(uuid_utils.uuid7()),
                    "source": Source.GATEWAY,
                    "application": application.pk,
                    "app_key": app_key.pk,
                    "provider": "modelslab",
                    "provider_key": provider_key.pk,
                    "method": "POST",
                    "endpoint": "/api/v6/images/text2img",
                    "started_at": at + number,
                    "outcome": Outcome.OK,
                    "status": 200,
                    "latency_ms": 20.0,
                    "attempts": 1,
                    **fields,
                }
            )
            mine.end(mine.begin(event), event)
        mine.close()
        ingest.drain_dead()

    return keep


def evaluate(**later: float) -> None:
    """A round of all rules, so much later than now."""
    AlertRule.objects.update(next_at=timezone.now() - timedelta(days=1))
    evaluating.evaluate_due(timezone.now() + timedelta(**later))


def told() -> list[tuple[str, str]]:
    """What was put into the outbox, the oldest first: kind and title of each alert."""
    rows = AlertDelivery.objects.select_related("notice").order_by("created_at", "pk")
    return [(a["kind"], a["title"]) for row in rows for a in row.notice.alerts]
