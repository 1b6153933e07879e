"""Asks a provider about single keys now, without spending credits (DESIGN section 7).

`keys.sweeping` goes over all keys, and asks about each with what is here.
"""

from collections.abc import Iterable, Iterator

from django.utils import timezone

from keys import health, probe_counts, probing, providers, vault
from keys.evidence import Evidence
from keys.models import ProviderKey, ProviderKeyVersion
from keys.probing import TIMEOUT, Case
from keys.providers import ProviderSpec, UnknownProvider
from keys.states import Stage, Verdict
from keys.vault import Secret, Undecryptable


def probe(spec: ProviderSpec, secret: Secret, timeout: float = TIMEOUT) -> Evidence:
    """Asks the provider once. No answer, or one that says nothing of the key, means unknown."""
    if spec.probe is None:
        return Evidence(meaning=Verdict.UNKNOWN, at=timezone.now(), code="no_probe")
    ((_, evidence),) = _asked([Case("", spec, 0, secret)], timeout)
    return evidence


def check_now(key: ProviderKey) -> Evidence:
    """Probes the key's current secret and records what comes of it. Raises Sealed."""
    case = _case(key)
    if case is None:
        return Evidence(meaning=Verdict.UNKNOWN, at=timezone.now(), code="no_probe")
    ((_, evidence),) = _asked([case])
    health.record(key.pk, evidence)
    return evidence


def probe_versions(
    versions: Iterable[ProviderKeyVersion],
) -> Iterator[tuple[ProviderKeyVersion, Evidence | None]]:
    """Asks about these versions, current or not; None where there is no way to ask.

    Nothing is recorded. Raises Sealed.
    """
    specs = {spec.slug: spec for spec in providers.all_specs()}
    asked: dict[Case, ProviderKeyVersion] = {}
    for version in versions:
        spec = specs.get(version.key.provider)
        case = case_of(spec, version.key, version) if spec else None
        if case is None:
            yield version, None
        else:
            asked[case] = version
    for case, evidence in _asked(list(asked)):
        yield asked[case], evidence


def case_of(spec: ProviderSpec, key: ProviderKey, version: ProviderKeyVersion) -> Case | None:
    """What there is to ask, or None where there is nothing to ask with. Raises Sealed."""
    if spec.probe is None or version.entered_for != spec.bound_to:
        return None  # what was entered for another address is not sent to this one
    place = (key.application_id, key.pk, version.number)
    slot = vault.provider_key_slot(*place, key.provider, version.entered_for)
    try:
        secret = vault.unseal(slot, version.sealed)
    except Undecryptable:
        return Case(key.pk, spec, version.number, None)
    return Case(key.pk, spec, version.number, secret)


def _case(key: ProviderKey) -> Case | None:
    try:
        spec = providers.get(key.provider)
    except UnknownProvider:
        return None
    version = ProviderKeyVersion.objects.filter(key=key, stage=Stage.CURRENT).first()
    return case_of(spec, key, version) if version is not None else None


def _asked(cases: list[Case], timeout: float = TIMEOUT) -> list[tuple[Case, Evidence]]:
    """One after another of each provider: the sweep asks beside this."""
    told = list(probing.ask_all(cases, at_once=1, timeout=timeout))
    probe_counts.add(case.spec.slug for case in cases if case.secret is not None)
    return told
