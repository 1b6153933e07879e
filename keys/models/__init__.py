"""Rows of the keys app. Writes of state go through `keys.lifecycle` (DESIGN door 1)."""

from keys.models.accounts import ApiToken, SignedIn, User
from keys.models.app_keys import LIMITS, METHODS, AppKey, AppKeyVersion
from keys.models.applications import Application, Membership
from keys.models.audit import AuditEvent, AuditHead
from keys.models.balances import Balance
from keys.models.batches import Batch, BatchItem
from keys.models.cache import CacheEntry
from keys.models.changes import ChangeCounter
from keys.models.checks import Check, CheckRun, CheckRunKey
from keys.models.got_out import GotOut
from keys.models.incidents import Incident, Lane, ProbeCount
from keys.models.jobs import Job
from keys.models.leavers import ToRotate
from keys.models.prices import NANOS, Price, PriceList
from keys.models.provider_keys import ProviderKey, ProviderKeyVersion
from keys.models.providers import Provider
from keys.models.sealed import DataKey, SystemSecret, VaultExamination

Key = ProviderKey | AppKey
KeyVersion = ProviderKeyVersion | AppKeyVersion
KEYS: dict[str, type[ProviderKey] | type[AppKey]] = {
    model.kind: model for model in (ProviderKey, AppKey)
}

__all__ = [
    "KEYS",
    "LIMITS",
    "METHODS",
    "NANOS",
    "ApiToken",
    "AppKey",
    "AppKeyVersion",
    "Application",
    "AuditEvent",
    "AuditHead",
    "Balance",
    "Batch",
    "BatchItem",
    "CacheEntry",
    "ChangeCounter",
    "Check",
    "CheckRun",
    "CheckRunKey",
    "DataKey",
    "GotOut",
    "Incident",
    "Job",
    "Key",
    "KeyVersion",
    "Lane",
    "Membership",
    "Price",
    "PriceList",
    "ProbeCount",
    "Provider",
    "ProviderKey",
    "ProviderKeyVersion",
    "SignedIn",
    "SystemSecret",
    "ToRotate",
    "User",
    "VaultExamination",
]
