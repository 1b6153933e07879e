"""Sends one request again and again on kept connections and counts what comes back.

A run ends with its number of calls, or on a slow machine with its time.

    python -m tests.bench.load '{"port": 8080, "request": "POST /… HTTP/1.1\\r\\n…", …}'

The request goes out as it stands. An answer is read as far as it must be to find its end, so a
call costs this process some ten microseconds, a small part of what any proxy here takes.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from statistics import median, quantiles

import uvloop

_LENGTH = b"content-length: "


@dataclass(frozen=True)
class Order:
    port: int
    request: str
    connections: int
    count: int  # of calls
    seconds: float = 60.0  # after which no further one is sent


@dataclass(frozen=True)
class Result:
    """Times in seconds. `statuses` counts every call; 0 stands for a line that broke off."""

    seconds: float
    p50: float
    p99: float
    statuses: dict[str, int]
    processor: float = 0.0  # seconds that the server took; filled in by who watches it

    @property
    def calls(self) -> int:
        return sum(self.statuses.values())

    @property
    def per_second(self) -> float:
        return self.calls / self.seconds


class Run:
    """What the connections of one run share."""

    def __init__(self, order: Order) -> None:
        self.request = order.request.encode("latin-1")
        self.left = order.count
        self.until = time.perf_counter() + order.seconds
        self.open = 0
        self.statuses: Counter[str] = Counter()
        self.times: list[float] = []
        self.done = asyncio.get_running_loop().create_future()

    def ended(self) -> None:
        self.open -= 1
        if not self.open and not self.done.done():
            self.done.set_result(None)


class Caller(asyncio.Protocol):
    def __init__(self, run: Run) -> None:
        self._run = run
        self._came = b""
        self._sent_at = 0.0
        self._waits = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._run.open += 1

    def send(self) -> None:
        """Sends the next request, or hangs up when all are sent."""
        run, now = self._run, time.perf_counter()
        if not run.left or now > run.until:
            self._transport.close()
            return
        run.left -= 1
        self._waits = True
        self._sent_at = now
        self._transport.write(run.request)

    def data_received(self, data: bytes) -> None:
        came = self._came = self._came + data if self._came else data
        end = came.find(b"\r\n\r\n")
        if end < 0:
            return
        at = came.find(_LENGTH, 0, end)
        if at < 0:  # some write the name in capitals
            at = came.lower().find(_LENGTH, 0, end)
        at += len(_LENGTH)
        if len(came) < end + 4 + int(came[at : came.index(b"\r", at)]):
            return
        run = self._run
        run.times.append(time.perf_counter() - self._sent_at)
        run.statuses[came[9:12].decode()] += 1
        self._came, self._waits = b"", False
        self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waits:
            self._run.statuses["0"] += 1
        self._run.ended()


async def measure(order: Order) -> Result:
    loop = asyncio.get_running_loop()
    run = Run(order)
    callers = []
    for _ in range(order.connections):
        _, caller = await loop.create_connection(lambda: Caller(run), "127.0.0.1", order.port)
        callers.append(caller)
    started = time.perf_counter()
    for caller in callers:
        caller.send()
    await run.done
    seconds = time.perf_counter() - started
    last = quantiles(run.times, n=100)[-1]
    return Result(seconds, median(run.times), last, dict(run.statuses))


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(measure(Order(**json.loads(sys.argv[1])))))))
