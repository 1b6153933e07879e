"""The one door for a change of state (DESIGN door 1).

Every function takes the actor first and, in one transaction, makes the change, writes the audit
event and bumps the change counter.

Rows are locked in one order: application → app keys → provider keys (each by id) → versions →
audit head → change counter. An act on a key takes its application's row first (`locks`), and
`journal.note` comes last. What works without an act (checks, ingest) begins at the keys and
bumps the counter last; nobody waits for a key while holding the head or the counter.
"""

from keys.lifecycle.acts import KEY_ACTS, KeyAct
from keys.lifecycle.app_keys import (
    DEFAULT_OVERLAP,
    copy_app_key,
    create_app_key,
    rotate_app_key,
    set_limits,
)
from keys.lifecycle.applications import create_application, delete_application, set_policy
from keys.lifecycle.batches import (
    BATCH_ACTS,
    MOST_KEYS,
    right_for,
    run_batches,
    start_batch,
    stop_batch,
)
from keys.lifecycle.check_runs import MOST_CHECKED, RunProgress, run_progress, start_checks
from keys.lifecycle.compromise import report_compromised
from keys.lifecycle.connect import connect
from keys.lifecycle.data_keys import (
    add_master_key,
    destroy_spent_data_keys,
    go_on,
    left_to_reseal,
    open_data_key_rotations,
    reseal,
    retire_master_keys,
    rewrap,
    start_data_key_rotation,
)
from keys.lifecycle.details import describe
from keys.lifecycle.elsewhere import (
    finish_everywhere,
    out_elsewhere,
    report_everywhere,
    rotate_everywhere,
    same_current,
    same_secret,
    same_versions,
)
from keys.lifecycle.errors import Conflict, Invalid, LifecycleError, unopened
from keys.lifecycle.importing import Imported, ImportRefused, import_keys
from keys.lifecycle.members import add_member, change_role, dismiss_rotation, remove_member
from keys.lifecycle.people import deactivate, reactivate
from keys.lifecycle.prices import MOST_PRICES, PriceGiven, prices_of, set_prices
from keys.lifecycle.provider_keys import (
    add_provider_key,
    check_provider_key,
    reveal_provider_key,
)
from keys.lifecycle.providers import change_base_url, create_custom_provider
from keys.lifecycle.rotation import rotate_provider_key
from keys.lifecycle.rotations import (
    cancel_rotation,
    end_overlaps,
    extend_overlap,
    finish_rotation,
)
from keys.lifecycle.shares import set_share
from keys.lifecycle.tokens import issue_token, revoke_token
from keys.lifecycle.transitions import disable, enable, expire_app_keys, revoke
from keys.vault import VaultError

__all__ = [
    "BATCH_ACTS",
    "DEFAULT_OVERLAP",
    "KEY_ACTS",
    "MOST_CHECKED",
    "MOST_KEYS",
    "MOST_PRICES",
    "Conflict",
    "ImportRefused",
    "Imported",
    "Invalid",
    "KeyAct",
    "LifecycleError",
    "PriceGiven",
    "RunProgress",
    "VaultError",
    "add_master_key",
    "add_member",
    "add_provider_key",
    "cancel_rotation",
    "change_base_url",
    "change_role",
    "check_provider_key",
    "connect",
    "copy_app_key",
    "create_app_key",
    "create_application",
    "create_custom_provider",
    "deactivate",
    "delete_application",
    "describe",
    "destroy_spent_data_keys",
    "disable",
    "dismiss_rotation",
    "enable",
    "end_overlaps",
    "expire_app_keys",
    "extend_overlap",
    "finish_everywhere",
    "finish_rotation",
    "go_on",
    "import_keys",
    "issue_token",
    "left_to_reseal",
    "open_data_key_rotations",
    "out_elsewhere",
    "prices_of",
    "reactivate",
    "remove_member",
    "report_compromised",
    "report_everywhere",
    "reseal",
    "retire_master_keys",
    "reveal_provider_key",
    "revoke",
    "revoke_token",
    "rewrap",
    "right_for",
    "rotate_app_key",
    "rotate_everywhere",
    "rotate_provider_key",
    "run_batches",
    "run_progress",
    "same_current",
    "same_secret",
    "same_versions",
    "set_limits",
    "set_policy",
    "set_prices",
    "set_share",
    "start_batch",
    "start_checks",
    "start_data_key_rotation",
    "stop_batch",
    "unopened",
]
