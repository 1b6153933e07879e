"""Whether anybody hears of what a rule finds, as it stands now."""

from collections.abc import Iterable

from keys.sign_in.invitations import can_mail
from usage.alerts.conditions import CONDITIONS
from usage.models import AlertChannel, AlertRule

NO_CHANNEL = "No channel is chosen: add one."
ALL_OFF = "The channels chosen are turned off: turn one on, or add another."
NO_MAIL = (
    "Only mail is chosen, and no mail goes out from here: "
    "the operator sets EMAIL_URL, or add another channel."
)


def tells_nobody(rules: Iterable[AlertRule]) -> dict[str, str]:
    """Of the rules that no channel would take anything from, by id: why, and what to do.

    One more query where a rule for everything has no channel of its own.
    """
    mail = can_mail()
    mute = {rule.pk: (rule, why) for rule in rules if (why := _silence(rule, mail))}
    if any(_is_heard_elsewhere(rule) for rule, _ in mute.values()):
        listen = AlertChannel.objects.filter(
            application__isnull=False, hears_site=True, enabled=True
        )
        if (listen if mail else listen.exclude(kind="email")).exists():
            mute = {id: one for id, one in mute.items() if not _is_heard_elsewhere(one[0])}
    return {id: why for id, (_, why) in mute.items()}


def _silence(rule: AlertRule, mail: bool) -> str:
    there = list(rule.channels.all())
    if not there:
        return NO_CHANNEL
    if not (on := [channel for channel in there if channel.enabled]):
        return ALL_OFF
    return "" if mail or any(channel.kind != "email" for channel in on) else NO_MAIL


def _is_heard_elsewhere(rule: AlertRule) -> bool:
    """Whether channels of applications hear what it finds there."""
    condition = CONDITIONS.get(rule.condition)
    return rule.application_id is None and not (condition and condition.site_only)
