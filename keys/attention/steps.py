"""The steps of a new installation, up to the first call of one's own."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse

from keys.audit import DEMO, Action
from keys.models import AppKey, Application, AuditEvent, Membership, ProviderKey


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a new installation needs; it ticks itself off."""

    title: str
    detail: str
    url: str
    done: bool


def _with_a_provider_key(applications: Sequence[Application]) -> list[str]:
    """Applications with a provider key of one's own: what the demo made doesn't count."""
    demo = AuditEvent.objects.filter(action=Action.APPLICATION_CREATED, actor_name=DEMO)
    made = list(demo.values_list("application_id", flat=True))
    keys = ProviderKey.objects.filter(application__in=applications)
    own = keys.exclude(provider="sandbox", application__in=made)
    return list(own.values_list("application_id", flat=True).distinct())


def steps(applications: Sequence[Application]) -> list[Step]:
    """The way to the first call of one's own."""
    owned = _with_a_provider_key(applications)
    app_keys = AppKey.objects.filter(application__in=owned)
    first = app_keys.select_related("application").order_by("created_at").first()
    page = reverse("app_key", args=[first.application.slug, first.pk]) if first else ""
    copied = AuditEvent.objects.filter(
        application_id__in=[application.pk for application in applications],
        action="app_key.copied",
    )
    others = Membership.objects.filter(application__in=applications).values("user").distinct()
    team = (
        reverse("application_people", args=[applications[0].slug])
        if applications
        else reverse("applications")
    )
    return [
        Step(
            "Create an application",
            "It owns keys, members and policies.",
            reverse("application_create"),
            bool(applications),
        ),
        Step(
            "Connect a provider",
            "One form: application, provider, secret. It makes both keys.",
            reverse("connect"),
            bool(owned),
        ),
        Step(
            "Copy an app key into your code",
            "Change one base URL and go on using the provider’s own examples.",
            page or reverse("connect"),
            copied.exists(),
        ),
        Step(
            "Make the first call",
            "It shows on the charts within three seconds.",
            page or reverse("connect"),
            app_keys.filter(last_used_at__isnull=False).exists(),
        ),
        Step(
            "Bring in a colleague",
            "Developers copy app keys; owners look after provider keys.",
            team,
            others.count() > 1,
        ),
    ]
