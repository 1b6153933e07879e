"""Secrets that are to be replaced, or that are replaced half-way."""

from collections.abc import Iterable, Sequence

from django.urls import reverse

from keys import exposure
from keys.attention.alert import MOST, Alert
from keys.models import AppKeyVersion, Application, ProviderKeyVersion
from keys.states import Stage


def waiting_rotations(applications: Sequence[Application]) -> Iterable[Alert]:
    waiting = ProviderKeyVersion.objects.filter(
        key__application__in=applications, stage__in=(Stage.PENDING, Stage.TESTED)
    ).select_related("key__application")
    for version in waiting[:MOST]:
        key = version.key
        yield Alert(
            "warning",
            "rotate",
            f"{key.application.name} · {key.name} waits in the middle of a rotation",
            f"Version {version.number} is {version.stage}; the old secret is still in use.",
            "Use it untested, or drop it.",
            reverse("provider_key", args=[key.application.slug, key.pk]),
            key.application_id,
            version.created_at,
        )


def put_off(applications: Sequence[Application]) -> Iterable[Alert]:
    """Overlaps that go on because somebody still uses the old secret."""
    models: tuple[type[ProviderKeyVersion] | type[AppKeyVersion], ...] = (
        ProviderKeyVersion,
        AppKeyVersion,
    )
    for model in models:
        rows = model._default_manager.filter(
            key__application__in=applications, stage=Stage.PREVIOUS, extensions__gt=0
        )
        for version in rows.select_related("key__application")[:MOST]:
            key = version.key
            yield Alert(
                "warning",
                "rotate",
                f"{key.application.name} · {key.name}: the old secret is still used",
                "Its end was put off. The key’s page names who uses it.",
                "Move them over, or end the overlap.",
                reverse(key.kind, args=[key.application.slug, key.pk]),
                key.application_id,
                version.last_used_at,
            )


def left_behind(applications: Sequence[Application]) -> Iterable[Alert]:
    """Keys that work still for somebody who left; who, is for those who see the audit."""
    for left in exposure.to_rotate(applications)[:MOST]:
        key = left.key
        yield Alert(
            "warning",
            "rotate",
            f"{key.application.name} · {key.name} is to be rotated",
            "Somebody who is no longer a member has its secret.",
            "Rotate it, or dismiss it on the application’s page.",
            reverse(key.kind, args=[key.application.slug, key.pk]),
            key.application_id,
            left.row.at,
        )
