"""What of alerts somebody sees: their applications', and the installation's as it concerns them."""

from django.db.models import OuterRef, Q, QuerySet, Subquery

from keys import permissions
from keys.models import Application, ProviderKey
from keys.permissions import Act, Anybody
from usage.alerts.conditions import CONDITIONS
from usage.models import AlertChannel, AlertDelivery, AlertRule, AlertState

SITE_ONLY = [one.slug for one in CONDITIONS.values() if one.site_only]


def rules(user: Anybody) -> QuerySet[AlertRule]:
    """Those of one's applications, and the installation's, which look there too."""
    rows = AlertRule.objects.select_related("application").order_by("application__name", "name")
    if permissions.is_site_admin(user):
        return rows
    mine = permissions.visible_applications(user).values("pk")
    return rows.filter(Q(application__in=mine) | Q(application=None)).exclude(
        condition__in=SITE_ONLY
    )


def channels(user: Anybody) -> QuerySet[AlertChannel]:
    """Those of one's applications, and the built-in one, which any rule may use."""
    rows = AlertChannel.objects.select_related("application").order_by("application__name", "name")
    if permissions.is_site_admin(user):
        return rows
    mine = permissions.visible_applications(user).values("pk")
    return rows.filter(Q(application__in=mine) | ~Q(preset=""))


def deliveries(user: Anybody) -> QuerySet[AlertDelivery]:
    """What went to the channels of one's applications, newest first."""
    rows = AlertDelivery.objects.select_related("channel__application", "notice")
    rows = rows.order_by("-created_at", "-id")
    if permissions.is_site_admin(user):
        return rows
    mine = permissions.visible_applications(user).values("pk")
    concerns = Q(channel__application__in=mine)
    return rows.filter(concerns | Q(channel__application=None, notice__application__in=mine))


def firing(user: Anybody) -> QuerySet[AlertState]:
    """What fires now in one's applications, and of providers of which one has keys.

    Each with `reached_at`: when the first channel took what is told of it; None while none has.
    """
    rows = AlertState.objects.filter(ended_at=None, rule__enabled=True).select_related("rule")
    rows = rows.annotate(reached_at=_reached_at()).order_by("-firing_since", "pk")
    if permissions.is_site_admin(user):
        return rows
    mine = list(permissions.visible_applications(user).values_list("pk", flat=True))
    return within(rows, mine)


def _reached_at() -> Subquery:
    """Of a state: told is what a channel took, not what was put into the outbox."""
    sent = AlertDelivery.objects.filter(
        # of an application's alerts a notice speaks whatever their provider
        Q(notice__provider=OuterRef("provider")) | ~Q(notice__application=""),
        state="sent",
        notice__rule=OuterRef("rule"),
        notice__at=OuterRef("told_at"),
        notice__application=OuterRef("application"),
    )
    return Subquery(sent.order_by("finished_at").values("finished_at")[:1])


def within(rows: QuerySet[AlertState], applications: list[str]) -> QuerySet[AlertState]:
    """Those of these applications, and what concerns all with keys of a provider."""
    providers = ProviderKey.objects.filter(application__in=applications).values("provider")
    shared = Q(application="", rule__condition="incident") & (
        Q(provider__in=providers) | Q(subject="network")
    )
    return rows.filter(Q(application__in=applications) | shared)


def manageable(user: Anybody) -> list[Application]:
    """The applications whose rules and channels one may change."""
    return list(permissions.applications_with(user, Act.MANAGE_ALERTS))
