"""The supervisor: restarts what dies, spaces out what keeps failing, ends everything it began."""

import os
import resource
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config.supervisor import (
    LONGEST_PAUSE,
    STOP_GRACE,
    Child,
    allow_files,
    pause_before_restart,
    read_procfile,
)
from tests.live import PATIENCE, ROOT, SLACK, alive, wait_for

Run = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """`run(name="shell words")`: a supervisor over these; its output goes to tmp_path / "log".

    `grace`: seconds that it leaves its children for their end.
    """
    started: list[subprocess.Popen[str]] = []

    def start(*, grace: float = STOP_GRACE, **commands: str) -> subprocess.Popen[str]:
        script = f"""
            import os
            from config import supervisor
            from config.supervisor import Child, Supervisor
            supervisor.STOP_GRACE = {grace}
            commands = {{n: c.replace("$", "$$") for n, c in {commands!r}.items()}}
            Supervisor([Child(n, ["sh", "-c", c], os.environ) for n, c in commands.items()]).run()
        """
        with (tmp_path / "log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", textwrap.dedent(script)],
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.wait(PATIENCE)


def _said(tmp_path: Path, text: str) -> str:
    wait_for(lambda: text in (tmp_path / "log").read_text(), PATIENCE, f"the output {text!r}")
    return (tmp_path / "log").read_text()


def _pid(path: Path) -> int:
    wait_for(lambda: path.exists() and path.read_text().strip(), PATIENCE, f"a pid in {path}")
    return int(path.read_text())


def test_output_is_prefixed_line_by_line(run: Run, tmp_path: Path) -> None:
    run(web="printf 'one\\ntw'; sleep 0.1; echo o; sleep 60", worker="echo three >&2; sleep 60")
    _said(tmp_path, "web    | two")
    said = _said(tmp_path, "worker | three")
    assert "web    | one\n" in said


def test_what_dies_is_started_again_at_once(run: Run, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    run(web=f"echo $$ >{pid}; exec sleep 60")
    first = _pid(pid)
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: _pid(pid) != first, 2 * SLACK, "another process")
    assert "web was killed by signal 9; starting it again\n" in _said(tmp_path, "killed")


def test_what_keeps_failing_is_said_and_spaced_out(run: Run, tmp_path: Path) -> None:
    run(web="exit 3")
    said = _said(tmp_path, "in 1 s: it keeps failing at its start")
    assert "web ended with code 3; starting it again\n" in said


def test_pauses_grow_to_a_bound() -> None:
    assert [pause_before_restart(n) for n in range(7)] == [0, 0, 0, 1, 2, 4, 8]
    assert pause_before_restart(50) == LONGEST_PAUSE


def test_a_long_life_forgives_earlier_failures() -> None:
    child = Child("web", ["true"], {})
    child.failures, child.started = 9, 100.0
    assert child.ended(now=200.0) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_children_and_theirs(run: Run, tmp_path: Path, number: int) -> None:
    child, grandchild = tmp_path / "child", tmp_path / "grandchild"
    process = run(web=f"echo $$ >{child}; sh -c 'echo $$ >{grandchild}; exec sleep 60' & wait")
    pids = [_pid(child), _pid(grandchild)]
    process.send_signal(number)
    assert process.wait(PATIENCE) == 0
    assert not any(map(alive, pids))


def test_what_does_not_want_to_end_is_killed_within_ten_seconds(run: Run, tmp_path: Path) -> None:
    stubborn = tmp_path / "stubborn"
    process = run(grace=0.5, web=f"trap '' TERM; echo $$ >{stubborn}; while :; do sleep 0.2; done")
    pid = _pid(stubborn)
    process.terminate()
    process.wait(PATIENCE)
    assert not alive(pid)
    assert STOP_GRACE < 9  # and a second for what is done besides


def test_a_second_ctrl_c_does_not_wait(run: Run, tmp_path: Path) -> None:
    stubborn = tmp_path / "stubborn"
    process = run(grace=3600, web=f"trap '' TERM; echo $$ >{stubborn}; while :; do sleep 0.2; done")
    _pid(stubborn)
    process.send_signal(signal.SIGINT)
    _said(tmp_path, "stopping")
    process.send_signal(signal.SIGINT)
    process.wait(PATIENCE)


def test_children_of_a_killed_supervisor_end_even_stubborn_ones(run: Run, tmp_path: Path) -> None:
    stubborn = tmp_path / "stubborn"
    process = run(web=f"trap '' TERM; echo $$ >{stubborn}; while :; do sleep 0.2; done")
    pid = _pid(stubborn)
    process.kill()
    wait_for(lambda: not alive(pid), PATIENCE, "the child's end")


def test_a_child_is_known_before_its_program_runs(run: Run, tmp_path: Path) -> None:
    """However early the supervisor is killed: here by the very child."""
    lonely = tmp_path / "lonely"
    stays = "while :; do sleep 0.2; done"
    process = run(web=f"trap '' TERM; echo $$ >{lonely}; kill -9 $PPID; {stays}")
    process.wait(PATIENCE)
    wait_for(lambda: not alive(_pid(lonely)), PATIENCE, "the child's end")


def test_a_child_reads_nothing(run: Run, tmp_path: Path) -> None:
    run(web='read line || echo "nothing there"; exec sleep 60')
    _said(tmp_path, "nothing there")


def test_a_procfile_is_read_with_its_quotes_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "Procfile"
    path.write_text("# web: not this\nweb: python -m 'a b' --port $PORT\n\n")
    assert read_procfile(path) == {"web": ["python", "-m", "a b", "--port", "$PORT"]}


def test_a_value_with_spaces_stays_one_word() -> None:
    child = Child("web", ["--dir=$DIR"], {"DIR": "/a b/c"})
    assert child.command == ["--dir=/a b/c"]


def test_the_projects_procfile_names_what_make_up_starts() -> None:
    assert set(read_procfile(ROOT / "Procfile")) == {"web", "worker", "beat", "sandbox"}


def test_as_many_files_may_be_open_as_the_system_lets_us() -> None:
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = 512
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, most))
    try:
        allow_files()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > few
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))
