"""The part of the suite that runs on PostgreSQL, beside the whole of it on SQLite.

`pytest -p tests.beside` starts it first and tells of it last, before pytest's closing line; where
PostgreSQL doesn't answer it is left out. The run fails when either part does.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

import pytest

from tests.engines import POSTGRES, postgres_answers

ROOT = Path(__file__).parent.parent
# What may differ between SQLite and PostgreSQL: locks, races, SQL of our own.
LIFECYCLE = (
    "any_history applications at_the_same_time batches compromised data_keys"
    " deleting_at_the_same_time end_overlaps import_keys prove rotate_provider_key transitions"
)
PLACES = [
    *(f"tests/keys/lifecycle/test_{name}.py" for name in LIFECYCLE.split()),
    *["tests/keys/test_audit_archive.py", "tests/keys/test_audit_carried.py"],
    *(f"tests/health/test_{name}.py" for name in ("check_due", "incident", "sweep", "watch")),
    *["tests/ledger", "tests/calls", "tests/stats", "tests/ops/test_settings_postgres.py"],
    "tests/rest/test_audit_refused.py",
]
COMMAND = [
    *(sys.executable, "-m", "pytest", "-q", "-n", "2", "--color=no"),
    *("-m", "not live and not browser and not bench and not prove"),
    *PLACES,
]
NAME = "on PostgreSQL"
_KEY = pytest.StashKey["Beside"]()


class Beside:
    """The process, and what it said to its end."""

    def __init__(self) -> None:
        self._output: IO[str] = tempfile.TemporaryFile("w+")  # noqa: SIM115 - while it runs
        self.said = ""
        self.process = subprocess.Popen(
            COMMAND,
            cwd=ROOT,
            env=os.environ | {"KEYDECK_TEST_DATABASE": POSTGRES},
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )

    def wait(self) -> int:
        """Its exit code, once it has ended."""
        code = self.process.wait()
        with self._output as output:
            output.seek(0)
            self.said = output.read().strip()
        return code


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        return  # a worker of the whole
    if postgres_answers():
        config.stash[_KEY] = Beside()
    compiled = Path(__file__).parent.glob("__pycache__/*-pytest-*.pyc")
    if not sys.dont_write_bytecode and not any(compiled):
        # A new clone. Otherwise every worker compiles every test, all at the same time.
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "--collect-only"]
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=False)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    beside = session.config.stash.get(_KEY, None)
    if beside is None:
        return
    if session.exitstatus == pytest.ExitCode.INTERRUPTED:
        beside.process.terminate()
    if beside.wait() == 0:
        return
    if session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    failed = pytest.TestReport(
        NAME, ("tests/beside.py", None, NAME), {}, "failed", f"{beside.said}\n", "call"
    )
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    reporter.stats.setdefault("failed", []).append(failed)  # told as any other, and counted


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    beside = terminalreporter.config.stash.get(_KEY, None)
    if beside is not None:
        terminalreporter.write_line(f"{NAME}: {beside.said.rpartition(chr(10))[2]}")
