"""kill -9 of writers and drainers at random points: nothing lost, nothing doubled."""

import os
import random
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection

from tests.ledger.conftest import START
from usage.ingest import drain_dead
from usage.models import Call, SpoolWriter
from usage.rollups import compare
from usage.spool import folders

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).parent.parent.parent
NOW = datetime.fromtimestamp(START / 1000, UTC)


def start(job: str, directory: Path) -> "subprocess.Popen[bytes]":
    database = connection.settings_dict
    url = f"sqlite:///{database['NAME']}"
    if connection.vendor == "postgresql":
        given = os.environ["KEYDECK_TEST_DATABASE"]
        url = f"{given.rpartition('/')[0]}/{database['NAME']}"
    environment = os.environ | {
        "KEYDECK_TEST_DATABASE": url,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("process.py")), job, str(directory)],
        stdout=subprocess.PIPE,
        env=environment,
        cwd=ROOT,
    )


def killed_after(process: "subprocess.Popen[bytes]", lines: int, seconds: float = 0) -> list[bytes]:
    """What the process told until it was killed: after so many lines and a moment more."""
    with process:
        told = [process.stdout.readline() for _ in range(lines)]  # type: ignore[union-attr]
        if seconds:
            threading.Event().wait(seconds)
        process.kill()
        told += process.stdout.readlines()  # type: ignore[union-attr]
    return [line for line in told if line.endswith(b"\n")]


def ids(told: list[bytes], word: bytes) -> set[str]:
    return {line.split()[1].decode() for line in told if line.startswith(word)}


def check(told: list[bytes]) -> None:
    """Every call that was told is stored once, as it was told; counts equal calls."""
    stored = {str(key): outcome for key, outcome in Call.objects.values_list("id", "outcome")}
    assert ids(told, b"begun") <= stored.keys()
    assert all(stored[call] == "ok" for call in ids(told, b"ended"))
    accounts = SpoolWriter.objects.all()
    assert sum(account.stored for account in accounts) == len(stored)
    for account in accounts:
        assert account.accepted == account.stored
        assert account.lost == account.duplicates == account.quarantined == account.broken == 0
    assert list(compare(NOW, NOW + timedelta(minutes=1), NOW)) == []


def test_killed_writers_and_killed_drainers_lose_and_double_nothing(spools: Path) -> None:
    luck = random.Random(7)
    told: list[bytes] = []
    for writer in [start("write", spools) for _ in range(2)]:
        told += killed_after(writer, luck.randint(3, 3000))
    for drainer in [start("drain", spools) for _ in range(3)]:
        killed_after(drainer, 1, luck.uniform(0.001, 0.1))
    drain_dead()
    assert folders(spools) == []
    assert ids(told, b"begun")
    check(told)


def test_a_process_killed_while_it_records_and_drains_is_brought_home(spools: Path) -> None:
    luck = random.Random(11)
    told: list[bytes] = []
    for process in [start("gateway", spools) for _ in range(2)]:
        told += killed_after(process, luck.randint(1000, 9000))
    drain_dead()
    assert folders(spools) == []
    check(told)
