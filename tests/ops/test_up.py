"""`make up`: starts everything, says what is wrong in one line, ends cleanly."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.live import PATIENCE, ROOT, SLACK, Keydeck, alive, ask
from tests.ops.starting import again, refused

__all__ = ["again"]  # a fixture

pytestmark = [pytest.mark.live, pytest.mark.xdist_group("up")]


def test_a_second_start_is_quick_and_changes_nothing(again: Keydeck) -> None:
    before = (again.data_dir / "master.key").read_text()
    applications = again.manage("shell", "-v0", "-c", _COUNT).stdout
    started = time.monotonic()
    with again:
        took = time.monotonic() - started
        assert again.manage("shell", "-v0", "-c", _COUNT).stdout == applications
        _ends_all(again, signal.SIGTERM)
    assert took < 10 * SLACK
    assert (again.data_dir / "master.key").read_text() == before
    assert "password" not in again.log.read_text()


def _ends_all(keydeck: Keydeck, number: signal.Signals) -> None:
    """This signal ends every process, in ten seconds, and with nothing to complain about."""
    children = keydeck.pids()
    started = time.monotonic()
    assert keydeck.send(number) == 0
    assert time.monotonic() - started < 10 * SLACK
    assert not [name for name, pid in children.items() if alive(pid)]
    assert "Traceback" not in keydeck.log.read_text()


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
        _ends_all(keydeck, signal.SIGINT)


def test_a_taken_port_is_one_line(again: Keydeck) -> None:
    with socket.create_server(("127.0.0.1", again.port)):
        assert f"port {again.port} can't be used" in refused(again)
    with socket.create_server(("127.0.0.1", again.sandbox_port)):
        assert "KEYDECK_SANDBOX_PORT=" in refused(again)


def test_a_data_directory_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert str(tmp_path / "file") in refused(Keydeck(tmp_path / "file"))
    assert str(tmp_path / "file") in refused(Keydeck(tmp_path / "file", SECRET_KEY="x" * 50))


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
        ({"DATABASE_URL": "keydeck.sqlite3"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}, "cannot use the database none"),
    ],
)
def test_a_setting_that_makes_no_sense_is_one_line(
    tmp_path: Path, setting: dict[str, str], word: str
) -> None:
    assert word in refused(Keydeck(tmp_path / "data", **setting))


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ({"KEYDECK_ADMIN_EMAIL": "admin"}, "KEYDECK_ADMIN_EMAIL: 'admin' is not"),
        ({"KEYDECK_ADMIN_EMAIL": f"{'a.' * 150}b@example.com"}, "KEYDECK_ADMIN_EMAIL"),
        ({"KEYDECK_ADMIN_PASSWORD": "short"}, "KEYDECK_ADMIN_PASSWORD: This password is too short"),
    ],
)
def test_an_admin_who_cannot_be_made_is_one_line_before_anything_is_made(
    tmp_path: Path, setting: dict[str, str], word: str
) -> None:
    keydeck = Keydeck(tmp_path / "data", **setting)
    assert word in refused(keydeck)
    assert not (keydeck.data_dir / "master.key").exists()
    assert "migrations" not in keydeck.manage("up", "--prepare").stdout


def test_settings_of_an_admin_who_is_made_count_no_more(again: Keydeck) -> None:
    again.variables["KEYDECK_ADMIN_PASSWORD"] = "short"
    done = again.manage("up", "--prepare")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("content", ["", "no key at all", "A" * 43])
def test_a_broken_master_key_is_one_line(again: Keydeck, content: str) -> None:
    path = again.data_dir / "master.key"
    path.write_text(content)
    said = refused(again)
    assert "master key" in said
    assert str(path) in said
    assert path.read_text() == content


def test_a_master_key_open_to_others_is_one_line(again: Keydeck) -> None:
    (again.data_dir / "master.key").chmod(0o644)
    assert "chmod 600" in refused(again)


def test_a_missing_master_key_over_data_starts_sealed(again: Keydeck) -> None:
    (again.data_dir / "master.key").unlink()
    with again:
        assert "SEALED" in again.log.read_text()
        reply = ask("GET", f"{again.url}/readyz")
        assert (reply.status, reply.json()["checks"]["vault"]) == (503, "sealed")
        assert ask("GET", f"{again.url}/accounts/login/").status == 200
        assert again.call("GET", "/audit").status == 200
    assert not (again.data_dir / "master.key").exists()


def test_a_secret_key_made_anew_over_data_is_told(again: Keydeck) -> None:
    assert "SECRET_KEY" not in again.manage("up", "--prepare").stdout
    (again.data_dir / "secret.key").unlink()
    assert "SECRET_KEY" in again.manage("up", "--prepare").stdout


def _make(*words: str, path: Path, user: int | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *words],
        cwd=path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
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
