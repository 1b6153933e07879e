"""What a connection to PostgreSQL is opened with: servers don't wait for ever, commands may."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PRINT = (
    "import sys; sys.argv = [sys.argv[1]]; from config.settings import DATABASES;"
    "print(DATABASES['default']['OPTIONS'])"
)


def options(program: str, tmp_path: Path, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PRINT, program],
        env={
            "PATH": os.environ["PATH"],
            "KEYDECK_DATA_DIR": str(tmp_path),
            "DATABASE_URL": "postgres://nobody@127.0.0.1/none",
            **environment,
        },
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize(
    ("program", "limited"), [("/bin/uvicorn", True), ("/bin/celery", True), ("manage.py", False)]
)
def test_servers_give_a_statement_up_and_commands_wait(
    program: str, limited: bool, tmp_path: Path
) -> None:
    found = options(program, tmp_path)
    assert ("statement_timeout=15000" in found) is limited
    assert "'tcp_user_timeout': 20000" in found


def test_the_time_is_the_operators_choice(tmp_path: Path) -> None:
    assert "statement_timeout=2500" in options("x", tmp_path, KEYDECK_STATEMENT_TIMEOUT="2.5")
    assert "statement" not in options("x", tmp_path, KEYDECK_STATEMENT_TIMEOUT="0")
