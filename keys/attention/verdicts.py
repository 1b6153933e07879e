"""Provider keys in trouble: what their provider says of them, or that it is not asked."""

from collections.abc import Iterable, Sequence

from django.db.models import Q
from django.urls import reverse

from keys import incidents
from keys.attention.alert import MOST, Alert
from keys.models import Application, Incident, ProviderKey, ProviderKeyVersion
from keys.providers import ProviderSpec
from keys.states import KeyState, Stage, Verdict

CAUSES: dict[str, str] = {
    Verdict.DEAD: "It was revoked or replaced at the provider, or never was complete.",
    Verdict.EXHAUSTED: "Its credits or its quota are used up; the key itself works.",
    Verdict.LIMITED: "Its plan or its scope lacks something that it is asked for.",
    Verdict.UNDECRYPTABLE: "Its data key or master key is not the one it was sealed under.",
}
# What to do about a verdict; beside the evidence wherever one is shown.
REMEDIES: dict[str, str] = {
    Verdict.DEAD: "Verify at {provider} that the key is correct and not revoked, then rotate it.",
    Verdict.EXHAUSTED: "Add credits or upgrade the plan at {provider}.",
    Verdict.LIMITED: "Something this key is asked for needs a higher tier at {provider}.",
    Verdict.UNDECRYPTABLE: "Give Keydeck the master key it was sealed under, or rotate the key.",
    Verdict.UNKNOWN: "{provider} gave no clear answer. Nothing to do: Keydeck goes on looking.",
}
SUSPECT = "{provider} refused it once. A second probe decides within about a minute."


def cause(key: ProviderKey) -> str:
    """What is likely behind the present verdict of a key ("" when it is fine or not decided)."""
    return "" if key.suspect else CAUSES.get(key.verdict, "")


def incident_cause(incident: Incident, provider: str) -> str:
    """What is likely behind an incident."""
    if incident.is_network:
        return "This machine’s network, its DNS or the proxy: no provider answers."
    return f"An outage at {provider}, or something between it and this machine."


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


def key_alerts(
    applications: Sequence[Application], specs: dict[str, ProviderSpec]
) -> Iterable[Alert]:
    bad = (Verdict.DEAD, Verdict.EXHAUSTED, Verdict.LIMITED, Verdict.UNDECRYPTABLE)
    waiting = _waiting(applications, specs)
    keys = ProviderKey.objects.filter(application__in=applications).select_related("application")
    troubled = Q(verdict__in=bad) | Q(refused_at__isnull=False) | Q(pk__in=waiting)
    wanted = Q(state=KeyState.ACTIVE) & troubled
    for key in keys.filter(wanted | Q(live_at_provider=True)).order_by("name")[:MOST]:
        provider = specs[key.provider].name if key.provider in specs else key.provider
        if key.live_at_provider:
            yield _live_alert(key, provider)
        if key.pk in waiting:  # its verdict spoke of the address that it was entered for
            yield _waiting_alert(key, provider)
        elif key.state == KeyState.ACTIVE and (key.verdict in bad or key.suspect):
            yield _key_alert(key, provider)


def incident_alerts(
    applications: Sequence[Application], specs: dict[str, ProviderSpec]
) -> Iterable[Alert]:
    """The open incidents of providers that these applications have keys of."""
    open_ones = incidents.open_incidents()
    mine = ProviderKey.objects.filter(application__in=applications) if open_ones else None
    for one in open_ones:
        keys = incidents.keys_of(one)
        if mine is None or not mine.filter(pk__in=keys).exists():
            continue
        provider = specs[one.provider].name if one.provider in specs else one.provider
        yield Alert(
            "warning",
            "alert-triangle",
            "No provider answers: Keydeck’s own network seems to be away"
            if one.is_network
            else f"{provider} gives no clear answers",
            explain(one.evidence),
            "Nothing to do for the keys: their verdicts stay as they were until answers are back.",
            reverse("checks"),
            "",
            one.opened_at,
            incident_cause(one, provider),
        )


def _waiting(applications: Sequence[Application], specs: dict[str, ProviderSpec]) -> set[str]:
    """The ids of active keys whose secret was entered for another base URL."""
    moved = Q(pk__in=[])
    for spec in specs.values():
        moved |= Q(key__provider=spec.slug) & ~Q(entered_for=spec.bound_to)
    rows = ProviderKeyVersion.objects.filter(
        moved,
        stage=Stage.CURRENT,
        key__application__in=applications,
        key__state=KeyState.ACTIVE,
    )
    return set(rows.values_list("key_id", flat=True))


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
        cause(key),
    )


def _waiting_alert(key: ProviderKey, provider: str) -> Alert:
    return Alert(
        "warning",
        "alert-triangle",
        f"{key.application.name} · {key.name} waits for its secret",
        f"{provider} has another base URL now, and a secret is sent to no other address than the "
        "one it was entered for. Calls don’t use this key.",
        "Enter the secret again on the key’s page, if you trust the address.",
        reverse("provider_key", args=[key.application.slug, key.pk]),
        key.application_id,
    )
