"""What the tests of starts share: data that was set up before, and a start that is refused."""

import shutil
from pathlib import Path

import pytest

from tests.live import Keydeck


def refused(keydeck: Keydeck) -> str:
    """Starts it, expects a refusal in one line; returns that line."""
    tried = keydeck.manage("up")
    assert tried.returncode != 0
    assert "Traceback" not in tried.stdout + tried.stderr
    lines = tried.stderr.strip().splitlines()
    assert len(lines) == 1, tried.stderr
    return lines[0]


@pytest.fixture
def again(prepared: Path, tmp_path: Path) -> Keydeck:
    """A product on a copy of that data, to be started for the second time."""
    return Keydeck(Path(shutil.copytree(prepared, tmp_path / "data")))
