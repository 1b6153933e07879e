"""Master keys and data keys replaced while the gateway serves, and killed in the middle.

The steps of a master key's replacement are held in tests/keys/vault/test_rewrap.py.
"""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.live import PATIENCE, ROOT, Keydeck, wait_for
from tests.ops.load import Load

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]


def fill(keydeck: Keydeck, *slugs: str, keys: int) -> None:
    command = [sys.executable, "-m", "tests.ops.fill", *slugs, "--keys", str(keys)]
    subprocess.run(command, cwd=ROOT, env=keydeck.environment, check=True, timeout=600)


def run(keydeck: Keydeck, *words: str) -> str:
    done = keydeck.manage(*words, seconds=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def replace_master_key(keydeck: Keydeck, applications: int, keys: int) -> str:
    """Adds, rewraps and retires under load; says what the load saw."""
    _, key = keydeck.connect()
    fill(keydeck, *(f"filled-{keys}-{n}" for n in range(applications)), keys=keys)
    with Load(keydeck, key) as load:
        wait_for(lambda: len(load.ids) > 20, PATIENCE, "some calls")
        run(keydeck, "master_keys", "--add")
        rewrapped = run(keydeck, "rewrap")
        retired = run(keydeck, "master_keys", "--retire")
        # Processes that never opened these data keys do now, with the new master key alone.
        slug, other = keydeck.connect()
        with Load(keydeck, other, threads=1) as more:
            wait_for(lambda: len(more.ids) > 5, PATIENCE, "calls of a new application")
        before = len(load.ids)
        wait_for(lambda: len(load.ids) > before + 20, PATIENCE, "some more calls")
    assert "is retired" in retired
    assert (load.failures, load.refused, more.failures, more.refused) == (0, [], 0, [])
    assert keydeck.call("GET", f"/applications/{slug}").status == 200
    doctor = run(keydeck, "doctor").strip()
    assert int(doctor.split()[0]) >= applications * keys
    return f"{rewrapped.strip()} {len(load.ids)} calls meanwhile, 0 failed. Doctor: {doctor}"


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_a_master_key_over_ten_thousand_secrets_replaced_under_load(keydeck: Keydeck) -> None:
    print(replace_master_key(keydeck, applications=1000, keys=10))


def rotate_and_kill(keydeck: Keydeck, kills: int, keys: int) -> str:
    """Rotates one application's data key under load, killed again and again: the command, and
    the worker that would take it up."""
    slug, key = keydeck.connect()
    fill(keydeck, slug, keys=keys)
    command = [sys.executable, "manage.py", "rotate_data_key", slug]
    midway = 0
    with Load(keydeck, key) as load:
        for _ in range(kills):
            started = subprocess.Popen(
                command, cwd=ROOT, env=keydeck.environment, stdout=subprocess.DEVNULL
            )
            wait_for(lambda: _open(keydeck, slug), PATIENCE, "a rotation under way")
            time.sleep(random.uniform(0, 0.2))
            if worker := keydeck.pids().get("worker"):
                os.kill(worker, signal.SIGKILL)
            started.kill()
            started.wait()
            midway += _open(keydeck, slug)
        wait_for(lambda: not _open(keydeck, slug), PATIENCE, "the worker taking it up")
    assert (load.failures, load.refused) == (0, [])
    doctor = run(keydeck, "doctor").strip()
    return (
        f"{kills} kills, {midway} in the middle, {len(load.ids)} calls meanwhile, 0 failed, "
        f"taken up by the worker. Doctor: {doctor}"
    )


def _open(keydeck: Keydeck, slug: str) -> bool:
    [(unspent,)] = keydeck.query(
        "SELECT COUNT(*) FROM keys_datakey d JOIN keys_application a ON a.id = d.application_id "
        "WHERE a.slug = ? AND d.spent_at IS NULL",
        slug,
    )
    return bool(unspent > 1)


def test_a_data_key_rotation_killed_under_load_is_taken_up_again(keydeck: Keydeck) -> None:
    rotate_and_kill(keydeck, kills=1, keys=100)


@pytest.mark.prove
@pytest.mark.timeout(900)
def test_a_data_key_rotation_killed_twenty_times_under_load(keydeck: Keydeck) -> None:
    print(rotate_and_kill(keydeck, kills=20, keys=2000))
