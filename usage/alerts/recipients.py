"""Who gets a mail: the addresses of a channel, or the people whom an alert concerns."""

from keys.models import Membership, ProviderKey, User
from keys.states import KeyState, Role
from usage.models import AlertChannel, AlertNotice

MOST = 100  # people that one alert is mailed to


def of(channel: AlertChannel, notice: AlertNotice) -> list[str]:
    """E-mail addresses. Without addresses of its own: the owners of the application; of a provider
    in trouble the owners of applications with its keys, and the site admins, who get what belongs
    to no application too."""
    if channel.recipients:
        return list(channel.recipients)
    application = channel.application_id or notice.application
    if application:
        return _owners([application])
    people = list(
        User.objects.filter(is_superuser=True, is_active=True)
        .order_by("email")
        .values_list("email", flat=True)
    )
    if notice.provider:
        keys = ProviderKey.objects.filter(provider=notice.provider, state=KeyState.ACTIVE)
        people += _owners(list(keys.values_list("application_id", flat=True).distinct()))
    return list(dict.fromkeys(people))[:MOST]


def _owners(applications: list[str]) -> list[str]:
    rows = Membership.objects.filter(
        application__in=applications, role=Role.OWNER, user__is_active=True
    )
    found = rows.order_by("user__email").values_list("user__email", flat=True).distinct()
    return list(found[:MOST])
