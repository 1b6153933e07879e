"""REST for alerts: rules, channels, what fires, and what was sent.

An address goes in and never comes out; a signing secret comes out once, where it is made.
"""

from django.http import Http404, HttpRequest
from ninja import Query, Router
from ninja.responses import Status

from keys import permissions
from keys.api import paging
from keys.api.auth import MANAGE, READ
from keys.audit import Actor
from keys.lifecycle import Invalid
from keys.models import Application
from keys.permissions import Act
from usage.alerts import channels, rules, seeing
from usage.alerts.rules import RuleFields
from usage.api.alert_schemas import (
    ChannelIn,
    ChannelMade,
    ChannelOut,
    ChannelPatch,
    Channels,
    Deliveries,
    DeliveryOut,
    DeliveryQuery,
    Firing,
    FiringOut,
    RuleIn,
    RuleOut,
    RulePatch,
    Rules,
    SecretOut,
)
from usage.models import AlertChannel, AlertRule

router = Router(tags=["alerts"])
RULE, CHANNEL = "/rules/{slug:rule_id}", "/channels/{slug:channel_id}"


@router.get("/firing", auth=READ, response=Firing, operation_id="list_firing_alerts")
def list_firing(request: HttpRequest, query: Query[paging.Paging]) -> Firing:
    """What fires now, the newest first."""
    rows, following = paging.page(seeing.firing(request.user), query, "id", newest_first=True)
    return Firing(items=[FiringOut.of(row) for row in rows], next=following)


@router.get("/rules", auth=READ, response=Rules, operation_id="list_alert_rules")
def list_rules(request: HttpRequest, query: Query[paging.Paging]) -> Rules:
    """Those of one's applications, and those that look everywhere."""
    found = seeing.rules(request.user).prefetch_related("channels")
    rows, following = paging.page(found, query, "id")
    return Rules(items=RuleOut.all_of(rows), next=following)


@router.post("/rules", auth=MANAGE, response={201: RuleOut}, operation_id="create_alert_rule")
def create_rule(request: HttpRequest, body: RuleIn) -> Status[RuleOut]:
    """Without an application it looks everywhere: a site admin's. Without a channel it is on the
    overview alone: `tells_nobody` in the answer says so."""
    application = _place(request, body.application)
    fields = RuleFields(**body.model_dump(exclude={"application"}))
    return Status(201, RuleOut.of(rules.create_rule(Actor.of(request), application, fields)))


@router.get(RULE, auth=READ, response=RuleOut, operation_id="get_alert_rule")
def get_rule(request: HttpRequest, rule_id: str) -> RuleOut:
    return RuleOut.of(_rule(request, rule_id))


@router.patch(RULE, auth=MANAGE, response=RuleOut, operation_id="change_alert_rule")
def change_rule(request: HttpRequest, rule_id: str, body: RulePatch) -> RuleOut:
    """Only the fields given are touched; `params` and `channels` are replaced as a whole."""
    rule = _rule(request, rule_id)
    _require(request, rule.application)
    names = RulePatch.model_fields
    now = {name: getattr(rule, name) for name in names if name != "channels"}
    now["channels"] = [row.pk for row in rule.channels.all()]
    given = body.model_dump(exclude_unset=True)
    if "condition" in given and "params" not in given and given["condition"] != rule.condition:
        now["params"] = {}
    rules.change_rule(Actor.of(request), rule, RuleFields(**{**now, **given}))
    return RuleOut.of(rule)


@router.delete(RULE, auth=MANAGE, response={204: None}, operation_id="delete_alert_rule")
def delete_rule(request: HttpRequest, rule_id: str) -> Status[None]:
    """A built-in one is turned off instead: 409."""
    rule = _rule(request, rule_id)
    _require(request, rule.application)
    rules.delete_rule(Actor.of(request), rule)
    return Status(204, None)


@router.get("/channels", auth=READ, response=Channels, operation_id="list_alert_channels")
def list_channels(request: HttpRequest, query: Query[paging.Paging]) -> Channels:
    rows, following = paging.page(seeing.channels(request.user), query, "id")
    mine = {row.pk for row in seeing.manageable(request.user)}
    shown = [ChannelOut.of(row, in_full=_sees(request, row, mine)) for row in rows]
    return Channels(items=shown, next=following)


@router.post(
    "/channels", auth=MANAGE, response={201: ChannelMade}, operation_id="create_alert_channel"
)
def create_channel(request: HttpRequest, body: ChannelIn) -> Status[ChannelMade]:
    """A webhook's `secret` is given once, here."""
    application = _place(request, body.application)
    told = body.model_dump(exclude={"application", "url"})
    url = body.url.get_secret_value() if body.url else ""
    made, secret = channels.create_channel(Actor.of(request), application, url=url, **told)
    plain = ChannelOut.of(made, in_full=True).model_dump()
    return Status(201, ChannelMade(**plain, secret=secret.reveal() if secret else None))


@router.get(CHANNEL, auth=READ, response=ChannelOut, operation_id="get_alert_channel")
def get_channel(request: HttpRequest, channel_id: str) -> ChannelOut:
    channel = _channel(request, channel_id)
    mine = {row.pk for row in seeing.manageable(request.user)}
    return ChannelOut.of(channel, in_full=_sees(request, channel, mine))


@router.patch(CHANNEL, auth=MANAGE, response=ChannelOut, operation_id="change_alert_channel")
def change_channel(request: HttpRequest, channel_id: str, body: ChannelPatch) -> ChannelOut:
    """Only the fields given are touched. Without a `url` the address stays."""
    channel = _channel(request, channel_id)
    _require(request, channel.application)
    names = [name for name in ChannelPatch.model_fields if name != "url"]
    now = {name: getattr(channel, name) for name in names}
    now |= body.model_dump(exclude_unset=True, exclude={"url"})
    url = body.url.get_secret_value() if body.url else ""
    channels.change_channel(Actor.of(request), channel, url=url, **now)
    return ChannelOut.of(channel, in_full=True)


@router.delete(CHANNEL, auth=MANAGE, response={204: None}, operation_id="delete_alert_channel")
def delete_channel(request: HttpRequest, channel_id: str) -> Status[None]:
    channel = _channel(request, channel_id)
    _require(request, channel.application)
    channels.delete_channel(Actor.of(request), channel)
    return Status(204, None)


@router.post(
    f"{CHANNEL}/test", auth=MANAGE, response=DeliveryOut, operation_id="test_alert_channel"
)
def test_channel(request: HttpRequest, channel_id: str) -> DeliveryOut:
    """Sends a test now and says what came of it (waits for up to 10 s)."""
    channel = _channel(request, channel_id)
    _require(request, channel.application)
    return DeliveryOut.of(channels.test_channel(Actor.of(request), channel))


@router.post(
    f"{CHANNEL}/secret", auth=MANAGE, response=SecretOut, operation_id="renew_alert_secret"
)
def renew_secret(request: HttpRequest, channel_id: str) -> SecretOut:
    """Another signing secret, given once, here; the next message is signed with it."""
    channel = _channel(request, channel_id)
    _require(request, channel.application)
    return SecretOut(secret=channels.new_secret(Actor.of(request), channel).reveal())


@router.get("/deliveries", auth=READ, response=Deliveries, operation_id="list_alert_deliveries")
def list_deliveries(request: HttpRequest, query: Query[DeliveryQuery]) -> Deliveries:
    """The newest first."""
    rows = seeing.deliveries(request.user)
    if query.channel is not None:
        rows = rows.filter(channel=_channel(request, query.channel))
    if query.state is not None:
        rows = rows.filter(state=query.state)
    if query.cursor is not None:
        rows = rows.filter(pk__lt=_uuid(query.cursor))
    found = list(rows.order_by("-id")[: query.limit + 1])
    shown = found[: query.limit]
    following = paging.encode(str(shown[-1].pk)) if len(found) > len(shown) else None
    return Deliveries(items=[DeliveryOut.of(row) for row in shown], next=following)


def _uuid(cursor: str) -> str:
    text = paging.decode(cursor)
    if len(text) != 36 or not all(mark in "0123456789abcdef-" for mark in text):
        raise Invalid("cursor", "Not a cursor of this list.")
    return text


def _place(request: HttpRequest, slug: str | None) -> Application | None:
    if slug:
        return permissions.get_application(request.user, slug, Act.MANAGE_ALERTS)
    permissions.require_site_admin(request.user)
    return None


def _rule(request: HttpRequest, id: str) -> AlertRule:
    found = seeing.rules(request.user).prefetch_related("channels").filter(pk=id).first()
    if found is None:
        raise Http404("No such rule")
    return found


def _channel(request: HttpRequest, id: str) -> AlertChannel:
    found = seeing.channels(request.user).filter(pk=id).first()
    if found is None:
        raise Http404("No such channel")
    return found


def _require(request: HttpRequest, application: Application | None) -> None:
    if application is None:
        permissions.require_site_admin(request.user)
    else:
        permissions.require(request.user, application, Act.MANAGE_ALERTS)


def _sees(request: HttpRequest, channel: AlertChannel, mine: set[str]) -> bool:
    """Whether they may know who gets its mail."""
    return permissions.is_site_admin(request.user) or channel.application_id in mine
