"""What the demo is made of, and whether it is all there.

Apart from what makes it: every start asks this, and the gateway's libraries take a second to load.
"""

from datetime import timedelta

from keys.audit import DEMO, Action
from keys.models import Application, AuditEvent, AuditHead
from usage import stats

NAME = DEMO  # actor, caller and user agent: how its traces are known
PROVIDER = "sandbox"
MAIN, TRIAL = "Main account", "Trial account"
PROVIDER_KEYS = {MAIN: "sandbox-live-demo", TRIAL: "sandbox-credits-demo"}
APP_KEYS = ("Website", "Mobile app", "Nightly batch")  # the busiest first
HOURS = 30


def find() -> tuple[bool, Application | None]:
    """Whether the demo application was ever made, and the application unless it was deleted."""
    made = AuditEvent.objects.filter(action=Action.APPLICATION_CREATED, actor_name=NAME).first()
    if made is None and AuditHead.objects.filter(archived_events__gt=0).exists():
        return True, Application.objects.filter(slug=NAME).first()  # made long ago, if ever
    if made is None:
        return False, None
    return True, Application.objects.filter(pk=made.application_id).first()


def is_settled() -> bool:
    """Whether nothing is left to do: it is complete, or it was deleted and stays so."""
    was_made, application = find()
    return was_made and (application is None or _is_complete(application))


def has_traffic(application: Application) -> bool:
    beginning = application.created_at - timedelta(hours=2 * HOURS)
    found = stats.totals(stats.Filter(applications=[application.pk], since=beginning))
    return found.requests > 0


def _is_complete(application: Application) -> bool:
    return (
        application.provider_keys.count() >= len(PROVIDER_KEYS)
        and application.app_keys.count() >= len(APP_KEYS)
        and has_traffic(application)
    )
