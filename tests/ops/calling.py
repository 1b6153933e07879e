"""Callers in a process of their own, which write down every answer.

    python -m tests.ops.calling '{"ports": [8080], "keys": ["kd_…"], "file": "/…", …}'

Each answer is a line `port mark status id code` in the file; a call whose connection broke off
has status 0 and no id. A mark goes to the provider with the call (`trace:` of the sandbox).
Ends on SIGTERM once every call under way has ended.
"""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import uvloop

PATIENCE = 30.0  # seconds for an answer
_ID = re.compile(rb"\r\nx-request-id: ([0-9a-f-]{36})\r\n", re.IGNORECASE)
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_CODE = re.compile(rb'"code": ?"(\w+)"')


@dataclass(frozen=True)
class Order:
    """`per_second` is the pace of all callers together; 0 is as fast as they are answered."""

    ports: list[int]
    keys: list[str]  # of each port's callers; the last one of those left over
    file: str
    callers: int = 8  # of each port
    per_second: float = 0.0
    name: str = "c"
    path: str = "/gateway/modelslab/api/v6/images/text2img"


@dataclass
class Run:
    order: Order
    log: int
    numbers: "count[int]" = field(default_factory=count)
    began: float = field(default_factory=time.monotonic)
    stopping: bool = False

    async def turn(self) -> int:
        """The next call's number, at its time."""
        number = next(self.numbers)
        if self.order.per_second:
            due = self.began + number / self.order.per_second
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        return number


class Caller:
    """One connection after another, a call at a time."""

    def __init__(self, run: Run, port: int, key: str) -> None:
        self._run, self._port, self._key = run, port, key
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def work(self) -> None:
        while True:
            number = await self._run.turn()
            if self._run.stopping:
                break
            mark = f"{self._run.order.name}-{number}"
            status, told, code = "0", "", ""
            try:
                async with asyncio.timeout(PATIENCE):
                    status, told, code = await self._call(mark)
            except (OSError, EOFError, asyncio.IncompleteReadError):
                self._hang_up()
                await asyncio.sleep(0.02)
            line = f"{self._port} {mark} {status} {told or '-'} {code or '-'}\n"
            os.write(self._run.log, line.encode())
        self._hang_up()

    async def _call(self, mark: str) -> tuple[str, str, str]:
        if self._stream is None:
            self._stream = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._stream
        asked = {"key": self._key, "prompt": f"a lighthouse trace:{mark}", "model_id": "flux"}
        body = json.dumps(asked)
        writer.write(
            f"POST {self._run.order.path} HTTP/1.1\r\nhost: 127.0.0.1\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        length, told = _LENGTH.search(head), _ID.search(head)
        if length is None or told is None:
            raise EOFError(head)
        content = await reader.readexactly(int(length[1]))
        status = head.split(b" ", 2)[1].decode()
        code = _CODE.search(content) if status != "200" else None
        if b"connection: close" in head.lower():
            self._hang_up()
        return status, told[1].decode(), code[1].decode() if code else ""

    def _hang_up(self) -> None:
        if self._stream is not None:
            self._stream[1].close()
            self._stream = None


async def main(order: Order) -> None:
    log = os.open(order.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    run = Run(order, log)

    def stop() -> None:
        run.stopping = True

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    keys = [*order.keys, *[order.keys[-1]] * len(order.ports)]
    callers = [
        Caller(run, port, key)
        for port, key in zip(order.ports, keys, strict=False)
        for _ in range(order.callers)
    ]
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.gather(*(caller.work() for caller in callers))


@dataclass(frozen=True, slots=True)
class Answer:
    port: int
    mark: str
    status: int
    id: str
    code: str


def answers(file: Path) -> list[Answer]:
    found = []
    for line in file.read_text().splitlines():
        port, mark, status, told, code = line.split()
        found.append(Answer(int(port), mark, int(status), told, code))
    return found


if __name__ == "__main__":
    uvloop.run(main(Order(**json.loads(sys.argv[1]))))
