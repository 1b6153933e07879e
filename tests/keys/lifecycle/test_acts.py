"""The one table of acts: whose right each is, on pages, over REST and in batches alike."""

from keys.lifecycle import BATCH_ACTS, KEY_ACTS
from keys.models import KEYS
from keys.permissions import Act

OWNERS, DEVELOPERS = Act.REVOKE_APP_KEY, Act.ROTATE_APP_KEY


def test_who_may_end_a_key_and_who_may_end_a_rotation() -> None:
    rights = {name: act.right("app_key") for name, act in KEY_ACTS.items()}
    assert rights == {
        "disable": OWNERS,
        "enable": OWNERS,
        "revoke": OWNERS,
        "finish": DEVELOPERS,
        "cancel": DEVELOPERS,
    }
    assert {act.right("provider_key") for act in KEY_ACTS.values()} == {Act.MANAGE_PROVIDER_KEYS}


def test_what_cannot_be_undone_or_gives_a_secret_needs_the_step_up() -> None:
    fresh = {name for name, act in KEY_ACTS.items() if act.step_up}
    assert fresh == {"revoke", "finish", "cancel"}
    many = {name for name, act in BATCH_ACTS.items() if act.of.step_up}
    assert many == {"revoke", "rotate"}


def test_what_is_offered_on_many_keys() -> None:
    offered = {kind: [n for n, act in BATCH_ACTS.items() if kind in act.kinds] for kind in KEYS}
    both = ["disable", "enable", "revoke", "tag", "untag"]
    assert sorted(offered["provider_key"]) == both
    assert sorted(offered["app_key"]) == sorted([*both, "rotate"])
