"""`make up`, once it runs: what answers, and what a second one on the same data is told."""

import stat

import pytest

from tests.live import Keydeck, ask
from tests.ops.starting import refused

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]


def test_it_answers_and_everything_runs(keydeck: Keydeck) -> None:
    assert set(keydeck.pids()) == {"web", "worker", "beat", "sandbox", "guardian"}
    assert ask("GET", f"{keydeck.url}/healthz").json() == {"status": "alive"}
    assert ask("GET", f"http://localhost:{keydeck.port}/readyz").json()["status"] == "ready"
    assert ask("GET", f"{keydeck.url}/accounts/login/").status == 200
    mode = (keydeck.data_dir / "master.key").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_a_second_one_on_the_same_data_is_told_where_the_first_is(keydeck: Keydeck) -> None:
    second = Keydeck(keydeck.data_dir)
    line = refused(second)
    assert "already runs" in line
    assert f"http://localhost:{keydeck.port}" in line
    assert ask("GET", f"{keydeck.url}/healthz").status == 200
