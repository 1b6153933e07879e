"""What is measured, ready to be measured: upstream, bare proxy, gateway, nginx, and the ledger."""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from subprocess import run

from tests.bench import load
from tests.bench.rig import (
    Server,
    request,
    send,
    serve_asgi,
    serve_nginx,
    serve_upstream,
    serve_worker,
)
from tests.engines import REDIS
from tests.live import ROOT, Keydeck, wait_for

REDIS_DATABASE = f"{REDIS.rstrip('/')}/13"
ROUND = 0.7  # seconds at most
TEXT = "x" * 940  # makes a request's JSON 1 KB long


class Stage:
    """`key` and `near_key` are texts of app keys: of limits never met, and met soon."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._servers: list[Server] = []
        self.upstream = self._running(serve_upstream(folder))
        address = f"http://127.0.0.1:{self.upstream.port}"
        self.product = Keydeck(
            folder / "data",
            KEYDECK_DEMO="0",
            KEYDECK_PROVIDER_URLS=f"openai={address},modelslab={address}",
            KEYDECK_OUTBOUND_ALLOW=f"127.0.0.1:{self.upstream.port}",
        )
        made = self.product.manage("up", "--prepare")
        assert made.returncode == 0, made.stdout + made.stderr
        command = [sys.executable, "-m", "tests.bench.rows"]
        rows = run(command, cwd=ROOT, env=self.environment, capture_output=True, check=True)
        said = json.loads(rows.stdout)
        self.key, self.near_key, self.near = said["key"], said["near_key"], said["near"]
        self.ids: list[str] = said["ids"]
        self._expected = 0
        self.worker = self._running(serve_worker(folder, self.environment))
        wait_for((folder / "data" / "spool" / "drained-at").exists, 30, "the worker drains")

    @property
    def environment(self) -> dict[str, str]:
        return self.product.environment

    def bare(self, workers: int = 1) -> Server:
        address = f"http://127.0.0.1:{self.upstream.port}"
        to = {**self.environment, "BENCH_UPSTREAM": address}
        return self._running(serve_asgi("bare", "tests.bench.bare:app", self.folder, to, workers))

    def full(self, workers: int = 1, **variables: str) -> Server:
        to = {**self.environment, **variables}
        return self._running(serve_asgi("full", "config.asgi:gateway", self.folder, to, workers))

    def nginx(self) -> Server | None:
        server = serve_nginx(self.folder, self.upstream.port)
        return self._running(server) if server else None

    def _running(self, server: Server) -> Server:
        self._servers.append(server)
        return server

    def stop(self) -> None:
        while self._servers:
            self._servers.pop().stop()

    # Requests, the same to every server: only the gateway looks at what stands in them.

    def post(self, key: str = "") -> str:
        """1 KB of JSON, the app key in a header."""
        body = json.dumps({"model": "bench", "messages": [{"role": "user", "content": TEXT}]})
        return request(
            "POST", "/gateway/openai/v1/json", body, authorization=f"Bearer {key or self.key}"
        )

    def post_in_body(self) -> str:
        """1 KB of JSON, the app key in it."""
        body = json.dumps({"key": self.key, "prompt": TEXT})
        return request("POST", "/gateway/modelslab/api/v6/json", body)

    def get(self, what: str = "json", **headers: str) -> str:
        target = f"/gateway/openai/v1/{what}"
        return request("GET", target, authorization=f"Bearer {self.key}", **headers)

    # Measuring.

    def measure(
        self, server: Server, text: str, connections: int, count: int, *, keyed: bool = False
    ) -> load.Result:
        """A run in which every call must go well; of the gateway (`keyed`) also be recorded.

        What the worker needs to drain the gateway's calls counts as the gateway's.
        """
        servers = (server, self.worker) if keyed else (server,)
        before = sum(one.processor for one in servers)
        result = send(server.port, text, connections, count, ROUND)
        assert set(result.statuses) == {"200"}, (server.name, result.statuses)
        if keyed:
            self.expect(result.calls)
        return replace(result, processor=sum(one.processor for one in servers) - before)

    def expect(self, calls: int) -> None:
        """Waits until the ledger has this many more calls, and fails if it has others.

        Also keeps what is left to drain from being done at the cost of what is measured next.
        """
        self._expected += calls
        until = time.monotonic() + 60
        while (found := self.recorded()) < self._expected and time.monotonic() < until:
            time.sleep(0.05)
        assert found == self._expected, f"{found} of {self._expected} calls are in the ledger"

    @property
    def expected(self) -> int:
        return self._expected

    def recorded(self) -> int:
        # Calls of the wrapper have no app key and are counted where they are made.
        rows = self.product.query("SELECT count(*) FROM usage_call WHERE app_key <> ''")
        return int(rows[0][0])
