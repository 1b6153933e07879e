"""The acts on a key that need nothing but the key, of either kind: what they are, and who may.

Pages, REST and batches offer them from this one table.
"""

from collections.abc import Callable
from dataclasses import dataclass

from keys.lifecycle.rotations import cancel_rotation, finish_rotation
from keys.lifecycle.transitions import disable, enable, revoke
from keys.models import AppKey
from keys.permissions import Act


@dataclass(frozen=True, slots=True)
class KeyAct:
    """What carries an act out, what a role must allow for it on app keys, and whether it needs
    the step-up (in REST the scope `secrets`)."""

    run: Callable[..., object]  # of the actor and the key
    on_app_keys: Act
    step_up: bool = True

    def right(self, kind: str) -> Act:
        """What a role must allow for it on this kind of key."""
        return self.on_app_keys if kind == AppKey.kind else Act.MANAGE_PROVIDER_KEYS


KEY_ACTS = {
    "disable": KeyAct(disable, Act.REVOKE_APP_KEY, step_up=False),
    "enable": KeyAct(enable, Act.REVOKE_APP_KEY, step_up=False),
    "revoke": KeyAct(revoke, Act.REVOKE_APP_KEY),
    "finish": KeyAct(finish_rotation, Act.ROTATE_APP_KEY),
    "cancel": KeyAct(cancel_rotation, Act.ROTATE_APP_KEY),
}
