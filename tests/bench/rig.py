"""The processes of a measurement: what is measured on one core, load and upstream on the others."""

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.bench import load, streams
from tests.live import ROOT, free_port, wait_for

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
MEASURED = set(CORES[-1:])
OTHERS = set(CORES[:-1]) or MEASURED
_TICK = os.sysconf("SC_CLK_TCK")
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
_PARENT_DEATH_SIGNAL = 1


def _pinned(cores: set[int], command: Sequence[str], **options: Any) -> subprocess.Popen[str]:
    def pin() -> None:
        if cores:
            os.sched_setaffinity(0, cores)
        if _LIBC is not None:  # else what is broken off leaves servers behind
            _LIBC.prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)

    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=pin,
        text=True,
        **options,
    )


class Server:
    """A process with its children, on one core unless told otherwise; listens on `port`, if any."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        port: int | None,
        *,
        environment: Mapping[str, str] | None = None,
        cores: set[int] = MEASURED,
    ) -> None:
        self.name, self.port, self.log = name, port or 0, log
        with log.open("ab") as file:
            self._process = _pinned(
                cores,
                command,
                env=environment,  # whole: the tests' own settings are in ours
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        if port is not None:
            wait_for(self._listens, 30, f"{name} listens; see {log}")

    def _listens(self) -> bool:
        assert self._process.poll() is None, f"{self.name} ended:\n{self.log.read_text()[-2000:]}"
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    @property
    def pids(self) -> list[int]:
        """Its own and its children's."""
        own = self._process.pid
        children = Path(f"/proc/{own}/task/{own}/children").read_text().split()
        return [own, *map(int, children)]

    @property
    def processor(self) -> float:
        """Seconds of processor time that it has used so far."""
        used = 0
        for pid in self.pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            used += int(fields[11]) + int(fields[12])
        return used / _TICK

    def memory(self, what: str = "VmRSS") -> int:
        """Bytes; `VmHWM` is the most since `forget_peak`."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return 1024 * int(status.partition(f"{what}:")[2].split()[0])

    def forget_peak(self) -> None:
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()


def serve_upstream(folder: Path) -> Server:
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.upstream", str(port)]
    return Server("upstream", command, folder / "upstream.log", port, cores=OTHERS)


def serve_asgi(
    name: str, app: str, folder: Path, environment: Mapping[str, str], workers: int = 1
) -> Server:
    """As docker-compose.yml starts the gateway's own listener."""
    port = free_port()
    words = (
        f"-m uvicorn {app} --host 127.0.0.1 --port {port} --workers {workers} --loop uvloop"
        " --http config.protocol:BoundedProtocol --no-access-log --no-server-header"
        " --no-proxy-headers --limit-concurrency 4000 --timeout-keep-alive 60"
        " --timeout-graceful-shutdown 20 --log-level warning"
    )
    command = [sys.executable, *words.split()]
    return Server(name, command, folder / f"{name}.log", port, environment=environment)


def serve_worker(folder: Path, environment: Mapping[str, str]) -> Server:
    """As docker-compose.yml starts the worker, which drains."""
    words = (
        "-m celery --quiet --skip-checks -A config worker --pool threads --concurrency 8"
        " --without-gossip --without-mingle --loglevel WARNING"
    )
    command = [sys.executable, *words.split()]
    log = folder / "worker.log"
    return Server("worker", command, log, None, environment=environment, cores=OTHERS)


_NGINX = """
daemon off; master_process off; error_log stderr; pid {folder}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_max_body_size 0; keepalive_requests 1000000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream provider {{ server 127.0.0.1:{upstream}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://provider; proxy_http_version 1.1; proxy_set_header Connection "";
    }}
  }}
}}
"""


def serve_nginx(folder: Path, upstream: int) -> Server | None:
    """None where nginx is not installed."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        return None
    port, config = free_port(), folder / "nginx.conf"
    config.write_text(_NGINX.format(folder=folder, upstream=upstream, port=port))
    command = [program, "-c", str(config), "-p", str(folder), "-e", "stderr"]
    return Server("nginx", command, folder / "nginx.log", port)


def tool(module: str, argument: str, environment: Mapping[str, str] | None = None) -> Any:
    """What a module of this package, run on the measured core, prints as JSON."""
    command = [sys.executable, "-m", f"tests.bench.{module}", argument]
    return _said(_pinned(MEASURED, command, env=environment, **_PIPES))


_PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}


def _said(process: subprocess.Popen[str]) -> Any:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err[-2000:]
    return json.loads(out.splitlines()[-1])


def send(
    port: int, request: str, connections: int, count: int, seconds: float = 60.0
) -> load.Result:
    order = json.dumps(asdict(load.Order(port, request, connections, count, seconds)))
    command = [sys.executable, "-m", "tests.bench.load", order]
    return load.Result(**_said(_pinned(OTHERS, command, **_PIPES)))


class Streams:
    """Streams that are read in a process of their own: `open` waits for the first chunks."""

    def __init__(self, order: streams.Order) -> None:
        command = [sys.executable, "-m", "tests.bench.streams", json.dumps(asdict(order))]
        self._process = _pinned(OTHERS, command, **_PIPES)

    def open(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "open\n"

    def result(self) -> streams.Result:
        return streams.Result(**_said(self._process))


def request(method: str, target: str, body: str = "", **headers: str) -> str:
    """An HTTP/1.1 request as text; underscores in names of headers stand for hyphens."""
    sent = {"host": "bench", "user-agent": "bench/1", "accept": "*/*", **headers}
    if body:
        sent.setdefault("content-type", "application/json")
        sent["content-length"] = str(len(body))
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in sent.items()]
    return "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "", body])
