"""What needs a person: the alerts of the overview, the sealed vault of every page's banner,
and the steps of a new installation."""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

from django.urls import reverse
from django.utils import timezone

from keys import doctor
from keys.attention.alert import MOST, Alert
from keys.attention.late import late_jobs
from keys.attention.rotations import left_behind, put_off, waiting_rotations
from keys.attention.steps import Step, steps
from keys.attention.verdicts import (
    cause,
    explain,
    incident_alerts,
    incident_cause,
    key_alerts,
    remedy,
)
from keys.models import AppKey, Application, GotOut, ProviderKeyVersion
from keys.providers import all_specs
from keys.states import WORKING, KeyState
from keys.vault import is_sealed

__all__ = [
    "MOST",
    "Alert",
    "Step",
    "add_source",
    "alerts",
    "cause",
    "explain",
    "incident_cause",
    "remedy",
    "sealed",
    "steps",
]

EXPIRES_SOON = timedelta(days=7)

# Of the applications, and whether the reader sees all there is.
Source = Callable[[Sequence[Application], bool], Iterable[Alert]]
_sources: list[Source] = []


def add_source(source: Source) -> None:
    """Lets another app add its lines to the overview's list."""
    if source not in _sources:
        _sources.append(source)


def sealed() -> bool:
    """Whether secrets can't be opened now because no master key fits."""
    return is_sealed()


def alerts(applications: Sequence[Application], *, everything: bool = False) -> list[Alert]:
    """What needs a look in these applications, the worst first; of each kind at most MOST.

    `everything`: in the installation too, for site admins.
    """
    specs = {spec.slug: spec for spec in all_specs()}
    found = [
        *incident_alerts(applications, specs),
        *key_alerts(applications, specs),
        *_findings(applications),
        *_got_out(applications),
        *waiting_rotations(applications),
        *put_off(applications),
        *left_behind(applications),
        *_expiring(applications),
        *(late_jobs() if everything else ()),
        *(one for source in _sources for one in source(applications, everything)),
    ]
    return sorted(found, key=lambda alert: ("danger", "warning", "info").index(alert.level))


def _findings(applications: Sequence[Application]) -> Iterable[Alert]:
    """What the vault's doctor found, besides what is told without it."""
    examination = doctor.last_examination()
    known = {application.pk: application for application in applications}
    for found in examination.findings if examination else []:
        if found["code"] == doctor.BROKEN_TRAIL:
            yield Alert(
                "danger",
                "shield-x",
                f"The audit trail {doctor.WORDS[doctor.BROKEN_TRAIL]}",
                "Found by the vault’s doctor. Somebody or something wrote past Keydeck.",
                "A site admin verifies the chain, and finds out who can write to the database.",
                reverse("audit"),
                "",
                examination.finished_at if examination else None,
            )
        application = known.get(found["application"])
        kind, _, id = found["key"].partition(":")
        told = found["code"] == doctor.GOT_OUT or (
            (kind, found["code"]) == ("provider_key", doctor.UNDECRYPTABLE)
        )
        if application is None or told:
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


def _got_out(applications: Sequence[Application]) -> Iterable[Alert]:
    rows = ProviderKeyVersion.objects.filter(
        key__application__in=applications,
        stage__in=WORKING,
        fingerprint__in=GotOut.objects.values("fingerprint"),
    ).exclude(key__state=KeyState.REVOKED)
    keys = {
        version.key_id: version.key
        for version in rows.select_related("key__application").order_by("key__name")[:MOST]
    }
    for key in keys.values():
        yield Alert(
            "danger",
            "alert-triangle",
            f"{key.application.name} · {key.name} works with a secret that got out",
            "It was reported compromised as another key’s secret.",
            "An owner reports this key compromised as well, or rotates it to a new secret.",
            reverse("provider_key", args=[key.application.slug, key.pk]),
            key.application_id,
        )


def _expiring(applications: Sequence[Application]) -> Iterable[Alert]:
    soon = timezone.now() + EXPIRES_SOON
    keys = AppKey.objects.filter(
        application__in=applications, state=KeyState.ACTIVE, expires_at__lt=soon
    ).select_related("application")
    for key in keys.order_by("expires_at")[:MOST]:
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
