"""The audit trail as it leaves: exports, an anchor, an archive; and who uses a key, on pages."""

from datetime import UTC, datetime

from tests.e2e.canary.calls import PROMPT, TEXT2IMG
from tests.e2e.canary.keys import Keyed
from tests.e2e.canary.pages import Browser
from tests.e2e.canary.stage import Stage
from tests.live import PATIENCE, wait_for

EXPORTS = ("csv", "jsonl")
# In one process: each start of Django takes a second.
_COMMANDS = """
from django.core.management import call_command as call
for form in ("csv", "jsonl"):
    call("audit", "export", "--format", form)
call("audit", "anchor", stdout=open({2!r}, "w"))
call("audit", "archive", "--before", {0!r}, "--out", {1!r})
call("audit", "verify", "--archive", {1!r}, "--anchor", {2!r})
"""


def callers(stage: Stage, admin: Browser, keyed: Keyed) -> None:
    """The panels that name callers, of a key whose callers have sent it as their name."""
    key = f"/applications/{keyed.slug}/app-keys/{keyed.app_key}"
    body = {"overlap_seconds": 86400}
    stage.rest("POST", f"{key}/rotate", body, gives=f"app key of {keyed.slug}, rotated")
    # With the old text, which names itself: the meter counts from the rotation on.
    named = {"Authorization": f"Bearer {keyed.text}", "User-Agent": f"old ({keyed.text})"}
    stage.gateway(
        "after the rotation", "POST", f"{keyed.provider}/{TEXT2IMG}", json=PROMPT, headers=named
    )

    def seen(panel: str, of: str) -> bool:
        return "kd-callers" in admin.get(f"/usage/{panel}/?application={keyed.slug}&{of}").text

    mine = f"app_key={keyed.app_key}"
    wait_for(lambda: seen("cutover", mine), PATIENCE, "the call after the rotation counted")
    assert seen("impact", mine)
    assert seen("impact", f"provider_key={keyed.provider_key}")


def leaves(stage: Stage, admin: Browser) -> None:
    """Every way in which the trail leaves; last of all, the archive takes it away."""
    for form in EXPORTS:
        assert admin.get(f"/audit/export.{form}").text.count("provider_key.revealed") > 3
    words = (
        datetime.now(UTC).isoformat(),
        str(stage.folder / "archive"),
        str(stage.folder / "anchor"),
    )
    stage.manage("shell", "--no-imports", "-c", _COMMANDS.format(*words))
    assert (stage.folder / "archive").read_text().count('"provider_key.revealed"') > 3
