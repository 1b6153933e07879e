"""Ten million stored calls are asked like a hundred thousand.

`KEYDECK_PROVE_CALLS=1000000` proves it with fewer. Times are told, not asserted: they are the
machine's, and `tests.bench.table` says what was reached.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from tests.bench.questions import asked
from tests.bench.table import Table
from tests.live import ROOT, Keydeck
from tests.ops.servers import Postgres, needs_own_servers

CALLS = int(os.environ.get("KEYDECK_PROVE_CALLS", 10_000_000))
FEWER = 100_000
KEYS, MOST_KEYS = 50, 10_000
ROUNDS = 60
SERIES = "totals and series by the day, busiest key, 30 days"
TOP = "top 50 keys, 24 hours"
Answers = dict[str, dict[str, float]]


@pytest.mark.django_db
def test_every_question_finds_something() -> None:
    call_command("seed_usage", "--calls=3000", "--days=3", "--keys=60")
    found = {name: answer["found"] for name, answer in asked(2).items()}
    never = [name for name in found if name.endswith("an outcome it never met")]
    assert [found.pop(name) for name in never] == [0, 0]
    assert found[TOP] == 50
    assert all(found.values())


@contextmanager
def seeded(folder: Path, engine: str, *options: str) -> Iterator[Keydeck]:
    """An installation that was seeded; says how long that took."""
    folder.mkdir()
    if engine == "sqlite":
        yield _filled(Keydeck(folder / "data", KEYDECK_DEMO="0"), engine, options)
        return
    with Postgres(folder) as server:
        product = Keydeck(folder / "data", KEYDECK_DEMO="0", DATABASE_URL=server.url)
        yield _filled(product, engine, options)


def _filled(product: Keydeck, engine: str, options: tuple[str, ...]) -> Keydeck:
    for words in (["up", "--prepare"], ["seed_usage", *options]):
        started = time.monotonic()
        made = product.manage(*words, seconds=4 * 3600)
        assert made.returncode == 0, made.stderr[-2000:]
    print(f"\n{engine}, {time.monotonic() - started:.0f} s: {made.stdout.strip()}")
    return product


def answers(product: Keydeck) -> Answers:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.questions", str(ROUNDS)],
        cwd=ROOT, env=product.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: Any = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.prove
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("engine", ["sqlite", pytest.param("postgresql", marks=needs_own_servers)])
def test_ten_million_calls_are_asked_like_a_hundred_thousand(tmp_path: Path, engine: str) -> None:
    table = Table()
    with seeded(tmp_path / "few", engine, f"--calls={FEWER}", f"--keys={KEYS}") as product:
        few = answers(product)
    # As dense as a day of all calls, and of many more keys.
    day = ("--days=2", f"--calls={max(CALLS // 15, 20_000)}", f"--keys={MOST_KEYS}")
    with seeded(tmp_path / "many-keys", engine, *day) as product:
        ranked = answers(product)[TOP]
    with seeded(tmp_path / "many", engine, f"--calls={CALLS}", f"--keys={KEYS}") as product:
        many = answers(product)
    table.at_most(SERIES, 12, many[SERIES]["p95"], "ms")
    table.at_most(f"the same beside {FEWER:,} calls", 1.2, many[SERIES]["p50"] / few[SERIES]["p50"])
    table.at_most(f"{TOP}, {MOST_KEYS:,} keys", 60, ranked["p95"], "ms")
    for name in many.keys() - {SERIES, TOP}:
        if name.startswith("newest"):
            table.at_most(name, 50, many[name]["p95"], "ms")
        else:
            table.note(name, f"{many[name]['p95']:.2f} ms")
    print(f"{CALLS:,} calls on {engine}, p95 of {ROUNDS}\n{table}")
