"""Many provider keys at once, really sealed."""

from datetime import datetime
from typing import Any

from keys import vault
from keys.models import Application, ProviderKey, ProviderKeyVersion
from keys.states import Stage
from keys.vault import Secret

_PART = 1000


def provider_keys(
    application: Application,
    count: int,
    due_at: datetime | None,
    *,
    provider: str = "modelslab",
    sealed: bool = True,
    **fields: Any,
) -> list[ProviderKey]:
    """So many keys, due then; without `sealed` they have no secret to look at."""
    keys = [
        ProviderKey(
            application=application,
            name=f"{provider} {number}",
            provider=provider,
            next_check_at=due_at,
            **fields,
        )
        for number in range(count)
    ]
    ProviderKey.objects.bulk_create(keys, batch_size=_PART)
    if sealed:
        versions = [_version(application, key) for key in keys]
        ProviderKeyVersion.objects.bulk_create(versions, batch_size=_PART)
    return keys


def _version(application: Application, key: ProviderKey) -> ProviderKeyVersion:
    secret = Secret(f"secret-of-{key.pk}")
    slot = vault.provider_key_slot(application.pk, key.pk, 1, key.provider, "")
    return ProviderKeyVersion(
        key=key,
        number=1,
        stage=Stage.CURRENT,
        sealed=vault.seal(slot, secret),
        fingerprint=vault.fingerprint(secret),
        last4=secret.last4,
    )
