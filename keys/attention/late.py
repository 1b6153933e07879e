"""Periodic work that doesn't run."""

from collections.abc import Iterable
from datetime import timedelta

from django.urls import reverse
from django.utils import timezone

from keys import jobs
from keys.attention.alert import Alert


def late_jobs() -> Iterable[Alert]:
    """One line for all of them: most often it is the worker that is away."""
    late = jobs.late()
    if not late:
        return
    one = len(late) == 1
    names = ", ".join(job.words for job in late[:3])
    more = f" and {len(late) - 3} more" if len(late) > 3 else ""
    yield Alert(
        "danger",
        "clock",
        f"{len(late)} of Keydeck’s own jobs {'is' if one else 'are'} late",
        f"{names}{more}",
        "See whether both are running, and what the log says.",
        reverse("settings_jobs"),
        "",
        timezone.now() - timedelta(seconds=late[0].late_seconds),
        "The worker or its clock (beat) is down, or busy with something long.",
    )
