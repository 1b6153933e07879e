"""`make up`: starts everything, says what is wrong in one line, ends cleanly."""

import os
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.live import ROOT, Keydeck, alive, ask, wait_for

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("live")]


def _refused(keydeck: Keydeck) -> str:
    """Starts it, expects a refusal in one line; returns that line."""
    tried = keydeck.manage("up")
    assert tried.returncode != 0
    assert "Traceback" not in tried.stdout + tried.stderr
    lines = tried.stderr.strip().splitlines()
    assert len(lines) == 1, tried.stderr
    return lines[0]


def test_it_answers_and_everything_runs(keydeck: Keydeck) -> None:
    assert set(keydeck.pids()) == {"web", "worker", "beat", "sandbox", "guardian"}
    assert ask("GET", f"{keydeck.url}/healthz").json() == {"status": "alive"}
    assert ask("GET", f"http://localhost:{keydeck.port}/readyz").json()["status"] == "ready"
    assert ask("GET", f"{keydeck.url}/accounts/login/").status == 200
    mode = (keydeck.data_dir / "master.key").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_a_second_start_is_quick_and_changes_nothing(tmp_path: Path) -> None:
    keydeck = Keydeck(tmp_path / "data")
    with keydeck:
        pass
    before = (tmp_path / "data" / "master.key").read_text()
    applications = keydeck.manage("shell", "-v0", "-c", _COUNT).stdout
    started = time.monotonic()
    with keydeck:
        took = time.monotonic() - started
        assert keydeck.manage("shell", "-v0", "-c", _COUNT).stdout == applications
    assert took < 10
    assert (tmp_path / "data" / "master.key").read_text() == before
    assert "password" not in keydeck.log.read_text().rpartition("Keydeck")[2]


_COUNT = """
from keys.models import *
print(*[m.objects.count() for m in (Application, ProviderKey, AppKey, DataKey, User, AuditEvent)])
"""


def test_the_password_is_generated_and_said_once(tmp_path: Path) -> None:
    chosen = {"KEYDECK_ADMIN_EMAIL": "", "KEYDECK_ADMIN_PASSWORD": "", "KEYDECK_DEMO": "0"}
    with Keydeck(tmp_path / "data", **chosen) as keydeck:
        said = keydeck.log.read_text()
        assert "sign in   admin@localhost" in said
        password = said.partition("password  ")[2].split()[0]
        assert len(password) >= 16
        assert "sandbox" not in keydeck.pids()
        for pid in keydeck.pids().values():
            assert password not in Path(f"/proc/{pid}/environ").read_text()


def test_a_taken_port_is_one_line(tmp_path: Path) -> None:
    keydeck = Keydeck(tmp_path / "data")
    with socket.create_server(("127.0.0.1", keydeck.port)):
        assert f"port {keydeck.port} can't be used" in _refused(keydeck)
    with socket.create_server(("127.0.0.1", keydeck.sandbox_port)):
        assert "KEYDECK_SANDBOX_PORT=" in _refused(keydeck)


def test_a_second_one_on_the_same_data_is_told_where_the_first_is(keydeck: Keydeck) -> None:
    second = Keydeck(keydeck.data_dir)
    line = _refused(second)
    assert "already runs" in line
    assert f"http://localhost:{keydeck.port}" in line
    assert ask("GET", f"{keydeck.url}/healthz").status == 200


def test_a_data_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert str(tmp_path / "file") in _refused(Keydeck(tmp_path / "file"))
    assert str(tmp_path / "file") in _refused(Keydeck(tmp_path / "file", SECRET_KEY="x" * 50))


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ({"PORT": "eighty"}, "PORT"),
        ({"PORT": "99999"}, "port 99999"),
        ({"KEYDECK_CHECK_INTERVAL": "often"}, "KEYDECK_CHECK_INTERVAL"),
        ({"KEYDECK_MASTER_KEYS_FILE": "/absent"}, "KEYDECK_MASTER_KEYS_FILE"),
        ({"KEYDECK_CHECK_INTERVAL": "-5"}, "KEYDECK_CHECK_INTERVAL"),
        ({"KEYDECK_PROVIDER_URLS": "modelslab"}, "KEYDECK_PROVIDER_URLS"),
        ({"KEYDECK_PUBLIC_URL": "keys.example.com"}, "KEYDECK_PUBLIC_URL"),
        ({"KEYDECK_PUBLIC_URL": "https://keys.example.com/deck"}, "KEYDECK_PUBLIC_URL"),
        ({"KEYDECK_TRUSTED_PROXIES": "10.0.0.5,caddy"}, "KEYDECK_TRUSTED_PROXIES"),
        ({"KEYDECK_OUTBOUND_ALLOW": "10.0.0.5"}, "KEYDECK_OUTBOUND_ALLOW"),
        ({"SECRET_KEY": "changeme"}, "SECRET_KEY has 8 characters"),
        ({"KEYDECK_ADMIN_EMAIL": "admin"}, "KEYDECK_ADMIN_EMAIL"),
        ({"KEYDECK_ADMIN_PASSWORD": "short"}, "KEYDECK_ADMIN_PASSWORD: This password is too short"),
        ({"DATABASE_URL": "keydeck.sqlite3"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}, "cannot use the database none"),
    ],
)
def test_a_setting_that_makes_no_sense_is_one_line(
    tmp_path: Path, setting: dict[str, str], word: str
) -> None:
    assert word in _refused(Keydeck(tmp_path / "data", **setting))


@pytest.mark.parametrize("content", ["", "no key at all", "A" * 43])
def test_a_broken_master_key_is_one_line(tmp_path: Path, content: str) -> None:
    keydeck = Keydeck(tmp_path / "data", KEYDECK_DEMO="0")
    keydeck.data_dir.mkdir()
    path = keydeck.data_dir / "master.key"
    path.write_text(content)
    path.chmod(0o600)
    said = _refused(keydeck)
    assert "master key" in said
    assert str(path) in said
    assert path.read_text() == content


def test_a_master_key_open_to_others_is_one_line(tmp_path: Path) -> None:
    keydeck = Keydeck(tmp_path / "data", KEYDECK_DEMO="0")
    keydeck.data_dir.mkdir()
    path = keydeck.data_dir / "master.key"
    path.write_text("irrelevant")
    path.chmod(0o644)
    assert "chmod 600" in _refused(keydeck)


def test_a_missing_master_key_over_data_starts_sealed(tmp_path: Path) -> None:
    keydeck = Keydeck(tmp_path / "data")
    with keydeck:
        pass
    (tmp_path / "data" / "master.key").unlink()
    with keydeck:
        assert "SEALED" in keydeck.log.read_text()
        reply = ask("GET", f"{keydeck.url}/readyz")
        assert (reply.status, reply.json()["checks"]["vault"]) == (503, "sealed")
        assert ask("GET", f"{keydeck.url}/accounts/login/").status == 200
        assert keydeck.call("GET", "/audit").status == 200
    assert not (tmp_path / "data" / "master.key").exists()


def test_a_secret_key_made_anew_over_data_is_told(tmp_path: Path) -> None:
    keydeck = Keydeck(tmp_path / "data", KEYDECK_DEMO="0")
    assert "SECRET_KEY" not in keydeck.manage("up", "--prepare").stdout
    (tmp_path / "data" / "secret.key").unlink()
    assert "SECRET_KEY" in keydeck.manage("up", "--prepare").stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything(tmp_path: Path, number: signal.Signals) -> None:
    with Keydeck(tmp_path / "data") as keydeck:
        children = keydeck.pids()
        started = time.monotonic()
        assert keydeck.send(number) == 0
        assert time.monotonic() - started < 10
        assert not [name for name, pid in children.items() if alive(pid)]
        assert "Traceback" not in keydeck.log.read_text()


def test_children_end_with_a_killed_supervisor(tmp_path: Path) -> None:
    with Keydeck(tmp_path / "data") as keydeck:
        children = keydeck.pids()
        keydeck.send(signal.SIGKILL)
        wait_for(lambda: not any(map(alive, children.values())), 10, "the children's end")


def _make(*words: str, path: Path, user: int | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *words],
        cwd=path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        user=user,
    )


def test_an_old_python_is_one_line(tmp_path: Path) -> None:
    old = tmp_path / "python of old"
    old.write_text('#!/bin/sh\ncase "$2" in *platform*) echo 3.9.2;; *) exit 1;; esac\n')
    old.chmod(0o755)
    (tmp_path / "Makefile").write_text((ROOT / "Makefile").read_text())
    tried = _make("up", f"PYTHON={old}", path=tmp_path)
    first, *rest = tried.stderr.strip().splitlines()
    assert tried.returncode != 0
    assert first.startswith("keydeck: needs Python 3.11 or newer")
    assert "3.9.2" in first
    assert all(line.startswith("make") for line in rest)
    assert not (tmp_path / ".venv").exists()


def test_a_folder_that_cannot_be_written_is_one_line() -> None:
    nobody = 65534 if os.geteuid() == 0 else None  # rights don't bind the superuser
    with TemporaryDirectory() as name:
        makefile = Path(name) / "Makefile"
        makefile.write_text((ROOT / "Makefile").read_text())
        makefile.chmod(0o444)  # whatever the process's umask
        Path(name).chmod(0o555)
        tried = _make("up", path=Path(name), user=nobody)
    first, *rest = tried.stderr.strip().splitlines()
    assert tried.returncode != 0
    assert first.startswith(f"keydeck: {name} can't be written")
    assert all(line.startswith("make") for line in rest)
