"""Runs the Procfile's processes: prefixed output, restart of what dies, one clean end.

DESIGN decision 16. Knows nothing of Django: `manage.py up` prepares and then becomes this
(`python -m config.supervisor NAME…`), so the supervisor is small and holds no database open.
"""

import argparse
import http.client
import os
import resource
import selectors
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from string import Template
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
SOCKET = "KEYDECK_SOCKET"  # in a command: it gets the listening socket under this number
STOP_GRACE = 7.0  # seconds between asking and killing
SHORT_LIFE = 5.0  # a process that lives shorter counts as failing at its start
PATIENCE = 3  # such failures in a row before restarts are spaced out
LONGEST_PAUSE = 30.0
MOST_FILES = 65_536  # open at once in a process, if the system lets us: each connection is one
HEAD_START = 10.0  # seconds at most that `--later` processes leave the processor to the others
# A child tells the guardian of itself before it becomes its program: told by the supervisor
# afterwards, it would be left alone by one that was killed in between. Its standard input is the
# guardian's until then; no number above 9 can be named in every shell.
ANNOUNCED = 'printf "+%s\\n" "$$" >&0; exec "$@" </dev/null'


def read_procfile(path: Path) -> dict[str, list[str]]:
    """name -> command words. `$NAME` in a word is filled in when the process starts."""
    programs: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        name, colon, command = line.partition(":")
        if colon and not name.startswith("#"):
            programs[name.strip()] = shlex.split(command)
    return programs


def pause_before_restart(failures: int) -> float:
    """0 for the first failures in a row, then 1, 2, 4 … seconds."""
    return 0.0 if failures < PATIENCE else min(2.0 ** (failures - PATIENCE), LONGEST_PAUSE)


class Child:
    """One program and its present process."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self.name = name
        self.command = [Template(word).safe_substitute(environment) for word in command]
        self.environment = environment
        wants_socket = any(f"${SOCKET}" in word for word in command)
        self.descriptors = [int(environment[SOCKET])] if wants_socket else []
        self.process: subprocess.Popen[bytes] | None = None
        self.started = 0.0
        self.failures = 0
        self.due = 0.0  # when it may start
        self.rest = b""  # an unfinished line of output

    def start(self, guardian: int) -> subprocess.Popen[bytes]:
        """Starts its program; `guardian` is the pipe that it makes itself known on."""
        self.process = subprocess.Popen(  # noqa: S603 - the project's own Procfile
            ["/bin/sh", "-c", ANNOUNCED, self.name, *self.command],
            cwd=ROOT,
            env=dict(self.environment),
            stdin=guardian,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=self.descriptors,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which asks in order
        )
        self.started = time.monotonic()
        return self.process

    def ended(self, now: float) -> float:
        """Notes that the process ended; returns the pause before the next start."""
        self.process = None
        self.failures = self.failures + 1 if now - self.started < SHORT_LIFE else 0
        pause = pause_before_restart(self.failures)
        self.due = now + pause
        return pause


class Guardian:
    """The process that outlives the supervisor just long enough (config/guardian.py)."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1

    def pipe(self, pids: Sequence[int]) -> int:
        """What it reads. A guardian that died is replaced and told of the children `pids`."""
        if self._process is None or self._process.poll() is not None:
            self._hang_up()
            read, self._pipe = os.pipe()
            self._process = subprocess.Popen(  # noqa: S603 - our own file
                [sys.executable, "-I", "-S", str(ROOT / "config" / "guardian.py")],
                stdin=read,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
            os.close(read)
            for pid in pids:
                self._tell(f"+{pid}")
        return self._pipe

    def forget(self, pid: int) -> None:
        """Its group is gone; the number may come to mean another."""
        self._tell(f"-{pid}")

    def dismiss(self) -> None:
        self._hang_up()
        if self._process:
            self._process.wait()

    def _tell(self, line: str) -> None:
        with suppress(OSError):  # died this moment: the next tick replaces it
            os.write(self._pipe, f"{line}\n".encode())

    def _hang_up(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1


class Supervisor:
    """Runs children until it is asked to stop."""

    def __init__(self, children: Sequence[Child]) -> None:
        self.children = children
        self.stopping = False
        self.impatient = False
        self._guardian = Guardian()
        self._selector = selectors.DefaultSelector()
        self._width = max(len(child.name) for child in children)

    def say(self, text: str, name: str = "keydeck") -> None:
        try:
            print(f"{name:<{self._width}} | {text}", flush=True)  # noqa: T201 - it is its output
        except OSError:  # the reader went away: nobody watches any more
            self.stopping = True

    def greet(self, words: str, port: int) -> None:
        """Says `words` once the pages answer; meant for a thread of its own."""
        while not self.stopping and not _answers(port):
            time.sleep(0.1)
        for child in self.children:
            if not child.started:
                child.due = 0.0  # the head start is over
        with suppress(OSError):
            print(words, flush=True)  # noqa: T201 - it is its output

    def asked_to_stop(self, number: int, frame: FrameType | None) -> None:
        self.impatient = self.stopping
        self.stopping = True

    def run(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.asked_to_stop)
        while not self.stopping:
            self._start_due(self._guardian.pipe(self._pids()))
            self._relay(0.2)
            self._reap()
        self._stop()

    def _pids(self) -> list[int]:
        return [child.process.pid for child in self.children if child.process]

    def _start_due(self, guardian: int) -> None:
        now = time.monotonic()
        for child in self.children:
            if child.process is None and child.due <= now:
                process = child.start(guardian)
                if process.stdout:
                    os.set_blocking(process.stdout.fileno(), False)
                    self._selector.register(process.stdout, selectors.EVENT_READ, child)

    def _relay(self, seconds: float) -> None:
        for key, _ in self._selector.select(seconds):
            child: Child = key.data
            with suppress(BlockingIOError):
                chunk = os.read(key.fd, 65536)
                if not chunk:
                    self._selector.unregister(key.fileobj)
                    key.fileobj.close()  # type: ignore[union-attr]
                *lines, child.rest = (child.rest + chunk).split(b"\n")
                for line in lines:
                    self.say(line.decode(errors="replace"), child.name)

    def _reap(self) -> None:
        for child in self.children:
            if child.process is None or child.process.poll() is None:
                continue
            pid, code = child.process.pid, child.process.returncode
            pause = child.ended(time.monotonic())
            self._guardian.forget(pid)
            if not self.stopping:
                how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
                often = f" in {pause:.0f} s: it keeps failing at its start" if pause else ""
                self.say(f"{child.name} {how}; starting it again{often}")

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in self._pids():
            with suppress(ProcessLookupError):
                os.killpg(pid, number)

    def _stop(self) -> None:
        self.say("stopping")
        self._signal_all(signal.SIGTERM)
        deadline = time.monotonic() + STOP_GRACE
        while self._pids() and time.monotonic() < deadline and not self.impatient:
            self._relay(0.05)
            self._reap()
        self._signal_all(signal.SIGKILL)
        for child in self.children:
            if child.process:
                child.process.wait()
        self._reap()
        self._guardian.dismiss()
        self.say("stopped")


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def allow_files() -> None:
    """A shell's usual 1,024 open files are fewer than the connections that the server takes.

    Past them it could neither ask a provider nor open a file: silent callers alone would do it.
    """
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if most == resource.RLIM_INFINITY else min(MOST_FILES, most)
    if now != resource.RLIM_INFINITY and now < wanted:
        with suppress(ValueError, OSError):  # macOS has another bound beside the one it tells
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", help="processes of the Procfile to run")
    parser.add_argument("--later", nargs="+", default=[], help="those that wait for the pages")
    parser.add_argument("--greeting", type=int, help="descriptor of what to say when all answers")
    options = parser.parse_args()
    allow_files()
    programs = read_procfile(ROOT / "Procfile")
    environment = {
        **os.environ,
        # The Procfile says `python`: it is the one that runs this, wherever it lies.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONUNBUFFERED": "1",
    }
    names = [*options.names, *options.later]
    supervisor = Supervisor([Child(name, programs[name], environment) for name in names])
    for child in supervisor.children[len(options.names) :]:
        child.due = time.monotonic() + HEAD_START
    if options.greeting is not None:
        with open(options.greeting, encoding="utf-8") as pipe:  # noqa: PTH123 - a descriptor
            words = pipe.read()
        port = int(environment["PORT"])
        threading.Thread(target=supervisor.greet, args=(words, port), daemon=True).start()
    supervisor.run()


if __name__ == "__main__":
    main()
