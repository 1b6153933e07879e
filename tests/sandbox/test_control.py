"""Keys can be killed and revived, and what the upstream saw can be asked for."""

import os
import subprocess
import sys
from pathlib import Path

import requests

from keys.sandbox import address
from tests.live import PATIENCE
from tests.sandbox.conftest import ROOT, Running


def command(running: Running, *arguments: str) -> subprocess.CompletedProcess[str]:
    return manage("--port", str(running.port), *arguments)


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "sandbox", *arguments],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", **variables},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_a_killed_key_is_refused_until_it_is_revived(sandbox: Running) -> None:
    key = "sandbox-live-killed"
    requests.post(f"{sandbox.url}/_sandbox/keys/{key}/kill", timeout=PATIENCE)
    assert sandbox.text2img(key).json()["message"] == "Invalid API key"
    assert sandbox.text2img("sandbox-live").status_code == 200
    requests.post(f"{sandbox.url}/_sandbox/keys/{key}/revive", timeout=PATIENCE)
    assert sandbox.text2img(key).status_code == 200


def test_the_command_kills_and_revives_a_key_of_the_running_sandbox(sandbox: Running) -> None:
    key = "sandbox-live-command"
    assert command(sandbox, "--kill", key).stdout.strip() == f"{key} is killed."
    assert sandbox.text2img(key).status_code == 401
    assert command(sandbox, "--revive", key).stdout.strip() == f"{key} is live again."
    assert sandbox.text2img(key).status_code == 200


def test_the_command_finds_the_sandbox_of_its_data_directory(
    sandbox: Running, tmp_path: Path
) -> None:
    key = "sandbox-live-noted"
    address.note(tmp_path, sandbox.port)
    killed = manage("--kill", key, KEYDECK_DATA_DIR=str(tmp_path), KEYDECK_SANDBOX_PORT="9")
    assert killed.stdout.strip() == f"{key} is killed."
    assert sandbox.text2img(key).status_code == 401


def test_where_no_sandbox_answers_the_command_names_the_option(tmp_path: Path) -> None:
    tried = manage("--kill", "sandbox-x", KEYDECK_DATA_DIR=str(tmp_path), KEYDECK_SANDBOX_PORT="9")
    assert tried.returncode == 1
    assert "127.0.0.1:9" in tried.stderr
    assert "--port" in tried.stderr


def test_the_command_says_in_one_line_what_is_wrong(sandbox: Running) -> None:
    unknown = command(sandbox, "--kill", "my-key")
    assert unknown.returncode == 1
    assert "my-key is no sandbox key" in unknown.stderr
    taken = command(sandbox)
    assert taken.returncode == 1
    assert "Address already in use" in taken.stderr
    assert len(taken.stderr.strip().splitlines()) == 1


def test_the_page_has_a_button_that_kills(sandbox: Running) -> None:
    sandbox.text2img("sandbox-live-page")
    assert (
        "/_sandbox/keys/sandbox-live-page/kill" in requests.get(sandbox.url, timeout=PATIENCE).text
    )
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    back = requests.post(
        f"{sandbox.url}/_sandbox/keys/sandbox-live-page/kill", headers=form, timeout=PATIENCE
    )
    assert back.url == f"{sandbox.url}/"
    assert "/_sandbox/keys/sandbox-live-page/revive" in back.text


def test_another_sites_form_kills_nothing(sandbox: Running) -> None:
    answer = requests.post(
        f"{sandbox.url}/_sandbox/keys/sandbox-live/kill",
        headers={"Origin": "http://elsewhere.example"},
        timeout=PATIENCE,
    )
    assert answer.status_code == 403


def test_the_journal_counts_traces_and_masks_what_is_no_sandbox_key(sandbox: Running) -> None:
    secret = "kd_live_0123456789ab_secret"
    sandbox.text2img(secret, prompt="a fox trace:journal-1")
    requests.get(
        f"{sandbox.url}/v1/models",
        headers={"Authorization": "Bearer sandbox-live", "X-Sandbox-Trace": "journal-2"},
        timeout=PATIENCE,
    )
    traces = requests.get(f"{sandbox.url}/_sandbox/traces", timeout=PATIENCE).json()["traces"]
    assert traces[-2:] == ["journal-1", "journal-2"]
    journal = requests.get(f"{sandbox.url}/_sandbox/requests?last=2", timeout=PATIENCE)
    assert secret not in journal.text
    assert journal.json()["app_keys_seen"] == 1
    first, second = journal.json()["requests"]
    assert (first["key"], first["places"], first["status"]) == ("…cret", ["body"], 401)
    assert (second["key"], second["status"]) == ("sandbox-live", 200)


def test_killed_keys_survive_a_restart(tmp_path: Path) -> None:
    state = tmp_path / "sandbox.json"
    first = Running("--state", str(state))
    requests.post(f"{first.url}/_sandbox/keys/sandbox-live/kill", timeout=PATIENCE)
    first.end()
    second = Running("--state", str(state))
    try:
        assert second.text2img("sandbox-live").status_code == 401
    finally:
        second.end()


def test_it_ends_cleanly_and_silently_when_told() -> None:
    running = Running()
    for key in ("sandbox-live", "sandbox-500"):
        running.text2img(key)
    for key in ("sandbox-reset", "sandbox-cut"):
        try:
            running.text2img(key)
        except requests.RequestException:
            continue
    assert running.end() == (0, "", "")
