"""The whole play: everything that touches a secret, done to one running product."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

from tests.e2e.canary import calls, chromium, keys, many, pages, telling, trail
from tests.e2e.canary.stage import Said, Stage
from tests.live import PATIENCE, ROOT, wait_for

# Prints every data key, every derived key and the system's own secrets: what only the vault holds.
_KEYS = """
import base64, json
from keys.models import AppKeyVersion, DataKey, ProviderKeyVersion, SystemSecret
from keys.lifecycle.versions import slot_of
from keys.vault import keyring, system
found = {f"data key of {row}": keyring.open_row(row)._raw.hex() for row in DataKey.objects.all()}
for rows in (
    ProviderKeyVersion.objects.select_related("key"),
    AppKeyVersion.objects.select_related("key"),
):
    for row in rows[:4]:
        slot = slot_of(row.key, row)
        fernet = keyring.newest(row.key.application_id).fernet(slot)
        found[f"derived key of {slot}"] = (fernet._signing_key + fernet._encryption_key).hex()
for row in SystemSecret.objects.all():
    found[row.name] = system._system_secret(row.name).hex()
print(json.dumps(found))
"""


def play(stage: Stage) -> None:
    """All of it, in the order of a life."""
    stage.start()
    keyed = keys.connect_all(stage)
    keys.live_one(stage, keyed["live"])
    with ThreadPoolExecutor(2) as beside:
        browsed = beside.submit(chromium.person_at_work, stage, keyed["live"])
        admin = pages.admin_at_work(stage)
        person = pages.invited_person(stage, admin)
        wrapped = beside.submit(_wrapper, stage)
        calls.all_calls(stage, keyed)
        wrapped.result()
        browsed.result()
    many.imported(stage, admin, keyed["live"])
    many.compromised(stage, keyed["live"])
    telling.channels(stage, admin)
    _failure(stage, admin)
    _checked_by_celery(stage)
    telling.told(stage, admin)
    stage.manage("backup", str(stage.folder / "backup"))
    _all_drained(stage)
    keys.read_everything(stage, keyed)
    live = keyed["live"]
    trail.callers(stage, admin, live)
    page = f"/applications/{live.slug}"
    first = [page, f"{page}/provider-keys/{live.provider_key}/", f"{page}/app-keys/{live.app_key}/"]
    seen = pages.crawl(admin, "/", "/applications/pages/", *first) + pages.crawl(person, "/")
    assert seen > 80, f"pages lead to pages: {seen}"
    trail.leaves(stage, admin)
    _vaults_own(stage)


def _wrapper(stage: Stage) -> None:
    """KeyedSession in a process of its own, with everything said that a debugger would say."""
    wanted = ["live:modelslab", "live:nobody", "nobody:sandbox", "nowhere:nowhere"]
    wanted += [f"echo-{place}:echo-{place}" for place in keys.PLACES]
    for number, behaviour in enumerate(keys.BEHAVIOURS):
        if behaviour in ("reset", "cut", "broken", "200-error", "slow-2", "async", "messege"):
            wanted.append(f"{behaviour}:{keys.PROVIDERS[number % len(keys.PROVIDERS)]}")
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.canary.wrapping", *wanted],
        cwd=ROOT,
        env={**stage.keydeck.environment, "DJANGO_SETTINGS_MODULE": "config.settings"},
        capture_output=True,
        timeout=2 * PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.count(b"Traceback") > 20, "the wrapper's calls fail in many ways"
    stage.said.append(Said("wrapper's stdout", done.stdout))
    stage.said.append(Said("wrapper's log", done.stderr))


@contextmanager
def _without_table(stage: Stage, table: str) -> Iterator[None]:
    """A database that lacks a table, as after a migration that went wrong."""
    path = stage.keydeck.data_dir / "keydeck.sqlite3"
    with closing(sqlite3.connect(path, timeout=PATIENCE, isolation_level=None)) as database:
        database.execute("PRAGMA legacy_alter_table = ON")
        database.execute(f"ALTER TABLE {table} RENAME TO taken_away")
        try:
            yield
        finally:
            database.execute(f"ALTER TABLE taken_away RENAME TO {table}")


def _failure(stage: Stage, admin: pages.Browser) -> None:
    """Faults of ours in the middle of acts with secrets: on pages, in REST, behind the gateway."""
    with _without_table(stage, "keys_auditevent"):
        secret = stage.cage.provider_key("provider key during a failure, by form")
        form = {"application": "pages", "provider": "sandbox", "secret": secret}
        admin.post("/connect/", expect=503, **form)
        body = {"name": "failing", "provider": "sandbox"}
        body["secret"] = stage.cage.provider_key("provider key during a failure")
        stage.rest("POST", "/applications/live/provider-keys", body, expect=503)
        stage.rest("POST", "/applications/live/app-keys", {"name": "failing"}, expect=503)
    text = stage.text_of("app key of live")
    with _without_table(stage, "keys_provider"):
        stage.gateway("without a table", "POST", "own-api/x", json={"key": text, "prompt": "x"})


def _checked_by_celery(stage: Stage) -> None:
    def probed() -> bool:
        rows = stage.keydeck.query(
            "SELECT COUNT(*) FROM keys_check WHERE via = 'probe' GROUP BY key_id"
        )
        return sum(count >= 2 for (count,) in rows) >= 10

    wait_for(probed, PATIENCE, "checks by the worker")


def _all_drained(stage: Stage) -> None:
    def drained() -> bool:
        found = stage.rest("GET", "/ledger")
        return bool(found["pending"] == 0 and found["lag_seconds"] == 0)

    wait_for(drained, PATIENCE, "everything drained")


def _vaults_own(stage: Stage) -> None:
    """The keys that only the vault ever holds, and what lies in files of mode 600."""
    data, cage = stage.keydeck.data_dir, stage.cage
    cage.add("master key", (data / "master.key").read_text().strip())
    cage.add("SECRET_KEY", (data / "secret.key").read_text().strip())
    done = stage.keydeck.manage("shell", "--no-imports", "-c", _KEYS)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout.strip().splitlines()[-1])
    for name, value in found.items():
        raw = bytes.fromhex(value)
        cage.add(name, value, raw)
