"""Making, changing, testing and deleting rules and channels."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from keys import permissions
from keys.audit import Actor
from keys.forms.keys import ConfirmForm
from keys.lifecycle import Conflict
from keys.models import Application
from keys.permissions import Act
from keys.templatetags.keydeck import duration
from keys.views.acting import ask, carry_out, done, person, posted, refused
from usage.alerts import channels, hearing, rules, seeing
from usage.alerts.rules import RuleFields
from usage.models import AlertChannel, AlertRule
from usage.views.alert_forms import ChannelForm, RuleForm

EVERYTHING = ("", "Everything")


@require_http_methods(["GET", "POST"])
def alert_rule_new(request: HttpRequest) -> HttpResponse:
    places = _places(request)
    application = _asked(request)
    offered = _channels(request, application)
    form = RuleForm(
        posted(request),
        places=places,
        channels=offered,
        application=application,
        initial={
            "application": application.slug if application else places[0][0],
            "condition": request.GET.get("condition", "error_rate"),
            "channels": [row.pk for row in offered if row.preset],
        },
    )

    def act() -> HttpResponse:
        chosen = _chosen(request, form.cleaned_data["application"])
        made = rules.create_rule(Actor.of(request), chosen, _fields(form))
        return _told(request, made, "is in force")

    return carry_out(request, form, act) or _ask_rule(request, form)


@require_http_methods(["GET", "POST"])
def alert_rule_edit(request: HttpRequest, id: str) -> HttpResponse:
    rule = _rule(request, id)
    start: dict[str, Any] = {
        f"{rule.condition}-{name}": value for name, value in rule.params.items()
    }
    plain = ("name", "condition", "provider", "key", "tells_recovery", "enabled")
    start |= {name: getattr(rule, name) for name in plain}
    start["cooldown_seconds"] = str(rule.cooldown_seconds)
    start["channels"] = list(rule.channels.values_list("pk", flat=True))
    form = RuleForm(
        posted(request),
        places=[],
        channels=_channels(request, rule.application, rule),
        application=rule.application,
        rule=rule,
        initial=start,
    )
    _keep_odd_cooldown(form, rule)

    def act() -> HttpResponse:
        rules.change_rule(Actor.of(request), rule, _fields(form))
        return _told(request, rule, "is changed")

    return carry_out(request, form, act) or _ask_rule(request, form, rule)


@require_http_methods(["GET", "POST"])
def alert_rule_delete(request: HttpRequest, id: str) -> HttpResponse:
    rule, form = _rule(request, id), ConfirmForm(posted(request))

    def act() -> HttpResponse:
        rules.delete_rule(Actor.of(request), rule)
        return done(request, _page(), f"The rule {rule.name} is deleted.")

    return carry_out(request, form, act) or ask(
        request, "usage/alert_delete.html", form, back=_page(), about=rule, kind="rule"
    )


@require_http_methods(["GET", "POST"])
def alert_channel_new(request: HttpRequest) -> HttpResponse:
    places, application = _places(request), _asked(request)
    start = {"application": application.slug if application else places[0][0], "kind": "webhook"}
    form = ChannelForm(posted(request), places=places, initial=start)

    def act() -> HttpResponse:
        chosen = _chosen(request, form.cleaned_data["application"])
        told = {name: form.cleaned_data[name] for name in ("name", "kind", "digest", "hears_site")}
        to = {"url": form.cleaned_data["url"], "recipients": form.addresses()}
        made, secret = channels.create_channel(Actor.of(request), chosen, **told, **to)
        if secret is None:
            return done(request, _page(), f"The channel {made.name} is made. Send it a test.")
        return _once(request, made, secret)

    return carry_out(request, form, act) or ask(
        request, "usage/alert_channel.html", form, back=_page(), channel=None
    )


@require_http_methods(["GET", "POST"])
def alert_channel_edit(request: HttpRequest, id: str) -> HttpResponse:
    channel = _channel(request, id)
    plain = ("name", "kind", "digest", "hears_site", "enabled")
    start = {name: getattr(channel, name) for name in plain}
    start["recipients"] = "\n".join(channel.recipients)
    form = ChannelForm(posted(request), channel=channel, initial=start)

    def act() -> HttpResponse:
        data = form.cleaned_data
        channels.change_channel(
            Actor.of(request),
            channel,
            name=data["name"],
            url=data["url"],
            recipients=form.addresses() if channel.kind == "email" else (),
            digest=data["digest"],
            hears_site=data.get("hears_site", False),
            enabled=data["enabled"],
        )
        return done(request, _page(), f"The channel {channel.name} is changed.")

    return carry_out(request, form, act) or ask(
        request, "usage/alert_channel.html", form, back=_page(), channel=channel
    )


@require_http_methods(["GET", "POST"])
def alert_channel_secret(request: HttpRequest, id: str) -> HttpResponse:
    """Another signing secret, shown once."""
    channel, form = _channel(request, id), ConfirmForm(posted(request))

    def act() -> HttpResponse:
        return _once(request, channel, channels.new_secret(Actor.of(request), channel))

    return carry_out(request, form, act) or ask(
        request, "usage/alert_secret_new.html", form, back=_page(), channel=channel
    )


@require_http_methods(["GET", "POST"])
def alert_channel_delete(request: HttpRequest, id: str) -> HttpResponse:
    channel, form = _channel(request, id), ConfirmForm(posted(request))

    def act() -> HttpResponse:
        channels.delete_channel(Actor.of(request), channel)
        return done(request, _page(), f"The channel {channel.name} is deleted.")

    return carry_out(request, form, act) or ask(
        request, "usage/alert_delete.html", form, back=_page(), about=channel, kind="channel"
    )


@require_POST
def alert_channel_test(request: HttpRequest, id: str) -> HttpResponse:
    channel = _channel(request, id)
    try:
        row = channels.test_channel(Actor.of(request), channel)
    except Conflict as error:
        return refused(request, _page(), error)
    said = f": {row.answer}" if row.answer else ""
    how = f" (HTTP {row.status})" if row.status else ""
    if row.state == "sent":
        return done(request, _page(), f"The test came through to {channel.name}{how}{said}")
    messages.error(request, f"The test did not come through to {channel.name}{how}{said}")
    return done(request, _page())


def _ask_rule(request: HttpRequest, form: RuleForm, rule: AlertRule | None = None) -> HttpResponse:
    return ask(request, "usage/alert_rule.html", form, back=_page(), rule=rule)


def _told(request: HttpRequest, rule: AlertRule, what: str) -> HttpResponse:
    """What became of a rule, and that nobody hears of what it finds where that is so."""
    if rule.enabled and (why := hearing.tells_nobody([rule]).get(rule.pk)):
        messages.warning(request, f"The rule {rule.name} tells nobody. {why}")
    return done(request, _page(), f"The rule {rule.name} {what}.")


def _once(request: HttpRequest, channel: AlertChannel, secret: Any) -> HttpResponse:
    """The signing secret, this one time."""
    template = "usage/alert_secret_once.html"
    return ask(
        request, template, ConfirmForm(), back=_page(), channel=channel, revealed=secret.reveal()
    )


def _fields(form: RuleForm) -> RuleFields:
    data = form.cleaned_data
    params = form.params()
    return RuleFields(
        name=data["name"],
        condition=data["condition"],
        params=params,
        channels=data["channels"],
        provider=data["provider"],
        key=data.get("key", ""),
        enabled=data["enabled"],
        cooldown_seconds=int(data["cooldown_seconds"]),
        tells_recovery=data["tells_recovery"],
    )


def _keep_odd_cooldown(form: RuleForm, rule: AlertRule) -> None:
    """A time that REST gave it is one of the choices."""
    field: Any = form.fields["cooldown_seconds"]
    if str(rule.cooldown_seconds) not in dict(field.choices):
        told = (str(rule.cooldown_seconds), f"At most once in {duration(rule.cooldown_seconds)}")
        field.choices = [*field.choices, told]


def _places(request: HttpRequest) -> list[tuple[str, str]]:
    """Where this person may put a rule or a channel. Raises PermissionDenied."""
    user = person(request)
    found = [(row.slug, row.name) for row in seeing.manageable(user)]
    if permissions.is_site_admin(user):
        return [EVERYTHING, *found]
    if not found:
        permissions.require_site_admin(user)
    return found


def _asked(request: HttpRequest) -> Application | None:
    slug = request.GET.get("application", "")
    return _chosen(request, slug) if slug else None


def _chosen(request: HttpRequest, slug: str) -> Application | None:
    if slug:
        return permissions.get_application(person(request), slug, Act.MANAGE_ALERTS)
    permissions.require_site_admin(person(request))
    return None


def _channels(
    request: HttpRequest, application: Application | None, rule: AlertRule | None = None
) -> list[AlertChannel]:
    """What a rule may tell: channels of its own place, and the built-in one."""
    rows = seeing.channels(person(request))
    if application is None and rule is None:
        return list(rows)
    return [
        row
        for row in rows
        if row.preset or row.application_id == (application.pk if application else None)
    ]


def _rule(request: HttpRequest, id: str) -> AlertRule:
    rule = seeing.rules(person(request)).filter(pk=id).first()
    if rule is None:
        raise Http404("No such rule")
    _require(request, rule.application)
    return rule


def _channel(request: HttpRequest, id: str) -> AlertChannel:
    channel = seeing.channels(person(request)).filter(pk=id).first()
    if channel is None:
        raise Http404("No such channel")
    _require(request, channel.application)
    return channel


def _require(request: HttpRequest, application: Application | None) -> None:
    if application is None:
        permissions.require_site_admin(person(request))
    else:
        permissions.require(person(request), application, Act.MANAGE_ALERTS)


def _page() -> str:
    return reverse("alerts")
