"""What needs a person: the alerts of the overview, the sealed vault of every page's banner,
and the steps of a new installation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from keys import doctor, exposure
from keys.audit import DEMO, Action
from keys.lifecycle.journal import target_of
from keys.models import (
    AppKey,
    AppKeyVersion,
    Application,
    AuditEvent,
    Membership,
    ProviderKey,
    ProviderKeyVersion,
)
from keys.providers import ProviderSpec, all_specs
from keys.states import KeyState, Stage, Verdict
from keys.vault import is_sealed

EXPIRES_SOON = timedelta(days=7)

# What to do about a verdict; beside the evidence wherever one is shown.
REMEDIES: dict[str, str] = {
    Verdict.DEAD: "Verify at {provider} that the key is correct and not revoked, then rotate it.",
    Verdict.EXHAUSTED: "Add credits or upgrade the plan at {provider}.",
    Verdict.LIMITED: "Something this key is asked for needs a higher tier at {provider}.",
    Verdict.UNDECRYPTABLE: "Give Keydeck the master key it was sealed under, or rotate the key.",
    Verdict.UNKNOWN: "{provider} gave no clear answer. Nothing to do: Keydeck goes on looking.",
}
SUSPECT = "{provider} refused it once. A second probe decides within about a minute."


@dataclass(frozen=True, slots=True)
class Alert:
    """One line of the overview's list."""

    level: str  # danger, warning or info
    icon: str
    title: str
    detail: str
    remedy: str
    url: str
    application_id: str
    at: datetime | str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a new installation needs; it ticks itself off."""

    title: str
    detail: str
    url: str
    done: bool


def sealed() -> bool:
    """Whether secrets can't be opened now because no master key fits."""
    return is_sealed()


def remedy(key: ProviderKey, provider: str) -> str:
    """What to do about the present verdict of a key ("" when it is fine)."""
    if key.suspect:
        return SUSPECT.format(provider=provider)
    return REMEDIES.get(key.verdict, "").format(provider=provider)


def explain(evidence: dict[str, object]) -> str:
    """Evidence in one line: status, the provider's code and words."""
    status = evidence.get("status")
    told = [f"HTTP {status}" if status else "", evidence.get("code"), evidence.get("message")]
    return " · ".join(str(part) for part in told if part)


def alerts(applications: Sequence[Application]) -> list[Alert]:
    """Everything that needs a look in these applications, the worst first."""
    specs = {spec.slug: spec for spec in all_specs()}
    found = [
        *_key_alerts(applications, specs),
        *_findings(applications),
        *_rotations(applications),
        *_put_off(applications),
        *_left(applications),
        *_expiring(applications),
    ]
    return sorted(found, key=lambda alert: ("danger", "warning", "info").index(alert.level))


def _key_alerts(
    applications: Sequence[Application], specs: dict[str, ProviderSpec]
) -> Iterable[Alert]:
    bad = (Verdict.DEAD, Verdict.EXHAUSTED, Verdict.LIMITED, Verdict.UNDECRYPTABLE)
    keys = ProviderKey.objects.filter(application__in=applications).select_related("application")
    wanted = Q(state=KeyState.ACTIVE) & (Q(verdict__in=bad) | Q(refused_at__isnull=False))
    for key in keys.filter(wanted | Q(live_at_provider=True)).order_by("name"):
        provider = specs[key.provider].name if key.provider in specs else key.provider
        if key.live_at_provider:
            yield _live_alert(key, provider)
        if key.state == KeyState.ACTIVE and (key.verdict in bad or key.suspect):
            yield _key_alert(key, provider)


def _live_alert(key: ProviderKey, provider: str) -> Alert:
    ended = "is revoked here" if key.state == KeyState.REVOKED else "has an old secret"
    return Alert(
        "warning",
        "lock-open",
        f"{key.application.name} · {key.name} {ended}, still live at the provider",
        f"{provider} goes on accepting this secret.",
        f"Revoke it at {provider} too.",
        reverse("provider_key", args=[key.application.slug, key.pk]),
        key.application_id,
        key.checked_at,
    )


def _key_alert(key: ProviderKey, provider: str) -> Alert:
    url = reverse("provider_key", args=[key.application.slug, key.pk])
    subject = f"{key.application.name} · {key.name}"
    grave = key.verdict in (Verdict.DEAD, Verdict.UNDECRYPTABLE)
    words = "is suspect" if key.suspect else f"is {key.verdict}"
    if key.verdict == Verdict.UNDECRYPTABLE:
        words = "can’t be decrypted"
    return Alert(
        "danger" if grave else "warning",
        "circle-x" if grave else "alert-triangle",
        f"{subject} {words}",
        explain(key.evidence),
        remedy(key, provider),
        url,
        key.application_id,
        key.refused_at if key.suspect else key.verdict_at,
    )


def _findings(applications: Sequence[Application]) -> Iterable[Alert]:
    """What the vault's doctor found, besides what a verdict tells already."""
    examination = doctor.last_examination()
    known = {application.pk: application for application in applications}
    for found in examination.findings if examination else []:
        application = known.get(found["application"])
        kind, _, id = found["key"].partition(":")
        if application is None or (kind, found["code"]) == ("provider_key", doctor.UNDECRYPTABLE):
            continue
        yield Alert(
            "danger",
            "shield-x",
            f"{application.name} · {found['name']}: version {found['version']} "
            f"{doctor.WORDS[found['code']]}",
            "Found by the vault’s doctor. Somebody or something wrote past Keydeck.",
            "Rotate the key, and find out who can write to the database.",
            reverse(kind, args=[application.slug, id]),
            application.pk,
            examination.finished_at if examination else None,
        )


def _rotations(applications: Sequence[Application]) -> Iterable[Alert]:
    waiting = ProviderKeyVersion.objects.filter(
        key__application__in=applications, stage__in=(Stage.PENDING, Stage.TESTED)
    ).select_related("key__application")
    for version in waiting:
        key = version.key
        yield Alert(
            "warning",
            "rotate",
            f"{key.application.name} · {key.name} waits in the middle of a rotation",
            f"Version {version.number} is {version.stage}; the old secret is still in use.",
            "Finish the rotation on purpose, or cancel it.",
            reverse("provider_key", args=[key.application.slug, key.pk]),
            key.application_id,
            version.created_at,
        )


def _put_off(applications: Sequence[Application]) -> Iterable[Alert]:
    """Overlaps that go on because somebody still uses the old secret."""
    kinds: tuple[tuple[str, type[ProviderKeyVersion] | type[AppKeyVersion]], ...] = (
        ("provider_key", ProviderKeyVersion),
        ("app_key", AppKeyVersion),
    )
    for page, model in kinds:
        rows = model._default_manager.filter(
            key__application__in=applications, stage=Stage.PREVIOUS, extensions__gt=0
        )
        for version in rows.select_related("key__application"):
            key = version.key
            yield Alert(
                "warning",
                "rotate",
                f"{key.application.name} · {key.name}: the old secret is still used",
                "Its end was put off. The key’s page names who uses it.",
                "Move them over, or end the overlap.",
                reverse(page, args=[key.application.slug, key.pk]),
                key.application_id,
                version.last_used_at,
            )


def _left(applications: Sequence[Application]) -> Iterable[Alert]:
    """Keys that work still for somebody who left; who, is for those who see the audit."""
    for left in exposure.to_rotate(applications):
        key = left.key
        yield Alert(
            "warning",
            "rotate",
            f"{key.application.name} · {key.name} is to be rotated",
            "Somebody who is no longer a member has its secret.",
            "Rotate it, or dismiss it on the application’s page.",
            reverse(target_of(key).partition(":")[0], args=[key.application.slug, key.pk]),
            key.application_id,
            left.row.at,
        )


def _expiring(applications: Sequence[Application]) -> Iterable[Alert]:
    soon = timezone.now() + EXPIRES_SOON
    keys = AppKey.objects.filter(
        application__in=applications, state=KeyState.ACTIVE, expires_at__lt=soon
    ).select_related("application")
    for key in keys.order_by("expires_at"):
        yield Alert(
            "info",
            "hourglass",
            f"{key.application.name} · {key.name} expires soon",
            "Calls with this app key are refused from then on.",
            "Create its successor and move the code over.",
            reverse("app_key", args=[key.application.slug, key.pk]),
            key.application_id,
            key.expires_at,
        )


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
