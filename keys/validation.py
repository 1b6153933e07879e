"""Asks providers whether keys still work, without spending credits (DESIGN section 7).

What is due are rows with leases: a worker that dies in the middle leaves them due again.
"""

import logging
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import quote

import orjson
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from keys import health, outbound, providers, vault
from keys.health import MEANINGS, Evidence
from keys.models import ProviderKey, ProviderKeyVersion
from keys.outbound import Blocked, OutboundError
from keys.providers import Kind, ProviderSpec, UnknownProvider
from keys.providers.injection import Outgoing, inject
from keys.states import Stage, Verdict
from keys.vault import Sealed, Secret, Undecryptable

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=60)
TIMEOUT = 10.0  # seconds for one probe
THREADS = 16  # 50 slow probes fit into a lease
BODY_LIMIT = 256 * 1024  # bytes of an answer that are read


def probe(spec: ProviderSpec, secret: Secret, timeout: float = TIMEOUT) -> Evidence:
    """Asks the provider once. No answer, or one that says nothing of the key, means unknown."""
    if spec.probe is None:
        return Evidence(meaning=Verdict.UNKNOWN, at=timezone.now(), code="no_probe")
    sent = spec.probe
    body = b"" if sent.body is None else orjson.dumps(dict(sent.body))
    typed = (("Content-Type", "application/json"),) if body else ()
    path, _, query = sent.path.partition("?")
    bare = Outgoing(sent.method, path, query, (*sent.headers, *typed), body)
    made = inject(spec, bare, "", secret)
    url = spec.base_url + made.path + (f"?{made.query}" if made.query else "")
    try:
        outbound.check_url(url, spec.base_url)
        reply = outbound.fetch(
            made.method,
            url,
            headers=dict(made.headers),
            body=made.body or None,
            timeout=timeout,
            limit_bytes=BODY_LIMIT,
        )
    except (OutboundError, Blocked) as error:
        return Evidence(
            meaning=Verdict.UNKNOWN, at=timezone.now(), code=error.reason, message=str(error)
        )
    content_type = reply.headers.get("content-type", "")
    reading = spec.read_probe(reply.status, content_type, reply.body)
    live = reading.kind is Kind.OK
    balance = spec.balance_of(content_type, reply.body) if live else None
    return Evidence(
        meaning=MEANINGS.get(reading.kind, Verdict.UNKNOWN),
        at=timezone.now(),
        status=reply.status,
        code=_clean(reading.code, secret),
        message=_clean(reading.message, secret),
        latency_ms=reply.latency_ms,
        balance=balance.amount if balance else None,
        currency=balance.currency if balance else "",
    )


def check_now(key: ProviderKey) -> Evidence:
    """Probes the key's current secret and records what comes of it. Raises Sealed."""
    case = _case(key)
    if case is None:
        return Evidence(meaning=Verdict.UNKNOWN, at=timezone.now(), code="no_probe")
    evidence = _probe_case(case)
    health.record(key.pk, evidence)
    return evidence


def check_due(now: datetime | None = None, limit: int = 50) -> int:
    """Checks the keys that are due and not being checked by another worker; returns how many.

    Providers are asked side by side; the database is left to the calling thread alone. With
    the vault sealed nothing is asked and nothing changes.
    """
    if vault.is_sealed():
        return 0
    vault.recheck()  # a data key that another process dropped opens nothing here either
    keys = _lease(now or timezone.now(), limit)
    if not keys:
        return 0
    cases = [case for case in map(_case_or_rest, keys) if case is not None]
    for case, evidence in _probe_all(cases):
        health.record(case.key_id, evidence)
    return len(cases)


def probe_versions(
    versions: Iterable[ProviderKeyVersion],
) -> Iterator[tuple[ProviderKeyVersion, Evidence | None]]:
    """Asks about these versions side by side, current or not; None where there is no way to ask.

    Nothing is recorded. Raises Sealed.
    """
    specs = {spec.slug: spec for spec in providers.all_specs()}
    asked: dict[_Case, ProviderKeyVersion] = {}
    for version in versions:
        spec = specs.get(version.key.provider)
        case = _case_of(spec, version.key, version) if spec else None
        if case is None:
            yield version, None
        else:
            asked[case] = version
    for case, evidence in _probe_all(list(asked)):
        yield asked[case], evidence


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """One key to look at. Without a secret it doesn't open any more."""

    key_id: str
    spec: ProviderSpec
    version: int
    secret: Secret | None


def _case(key: ProviderKey) -> _Case | None:
    """What there is to ask, or None where there is nothing to ask with. Raises Sealed."""
    try:
        spec = providers.get(key.provider)
    except UnknownProvider:
        return None
    version = ProviderKeyVersion.objects.filter(key=key, stage=Stage.CURRENT).first()
    return _case_of(spec, key, version) if version is not None else None


def _case_of(spec: ProviderSpec, key: ProviderKey, version: ProviderKeyVersion) -> _Case | None:
    if spec.probe is None or version.entered_for != spec.bound_to:
        return None  # what was entered for another address is not sent to this one
    place = (key.application_id, key.pk, version.number)
    slot = vault.provider_key_slot(*place, key.provider, version.entered_for)
    try:
        secret = vault.unseal(slot, version.sealed)
    except Undecryptable:
        return _Case(key.pk, spec, version.number, None)
    return _Case(key.pk, spec, version.number, secret)


def _case_or_rest(key: ProviderKey) -> _Case | None:
    """The key's case; one that can't be asked about leaves the queue, or waits for the vault."""
    try:
        case = _case(key)
    except Sealed:
        ProviderKey.objects.filter(pk=key.pk).update(lease_until=None)
        return None
    if case is None:
        ProviderKey.objects.filter(pk=key.pk).update(next_check_at=None, lease_until=None)
    return case


def _probe_case(case: _Case) -> Evidence:
    if case.secret is None:
        return Evidence(
            meaning=Verdict.UNDECRYPTABLE,
            at=timezone.now(),
            code="undecryptable",
            message="The stored secret does not open with the keys of this vault",
            version=case.version,
        )
    return replace(probe(case.spec, case.secret), version=case.version)


def _probe_all(cases: list[_Case]) -> Iterator[tuple[_Case, Evidence]]:
    with ThreadPoolExecutor(THREADS, thread_name_prefix="probe") as pool:
        waiting: dict[Future[Evidence], _Case] = {
            pool.submit(_probe_case, case): case for case in cases
        }
        for done in as_completed(waiting):
            error = done.exception()
            if error is None:
                yield waiting[done], done.result()
            else:  # one odd provider must not keep the others from being checked
                logger.error("probe of %s failed: %s", waiting[done].key_id, type(error).__name__)


def _lease(now: datetime, limit: int) -> list[ProviderKey]:
    """Claims due rows. Where rows can't be locked, the conditional update decides the race."""
    with transaction.atomic():
        rows = _due(now).order_by("next_check_at")
        if connection.features.has_select_for_update_skip_locked:
            rows = rows.select_for_update(skip_locked=True)
        return [
            key
            for key in rows[:limit]
            if _due(now).filter(pk=key.pk).update(lease_until=now + LEASE)
        ]


def _due(now: datetime) -> QuerySet[ProviderKey]:
    interval = timedelta(seconds=settings.CHECK_INTERVAL)
    # A row from a time with a longer interval must not wait for that one to pass.
    too_far = Q(next_check_at__gt=now + interval) & ~Q(
        verdict__in=[Verdict.DEAD, Verdict.UNCHECKED]
    )
    free = Q(lease_until=None) | Q(lease_until__lte=now)
    return ProviderKey.objects.filter(Q(next_check_at__lte=now) | too_far).filter(free)


def _clean(text: str, secret: Secret) -> str:
    """The provider's words without the secret, should it repeat it."""
    plain = secret.reveal()
    for spelled in {plain, quote(plain, safe=""), orjson.dumps(plain).decode()[1:-1]}:
        text = text.replace(spelled, "[key]")
    return text
