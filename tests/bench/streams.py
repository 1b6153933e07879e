"""Reads streams: how soon the first chunk comes, or many that are open at the same time.

`python -m tests.bench.streams ORDER` prints `open` once every stream has its first chunk, and at
the end the times to the first chunks and how many streams came to their end.
"""

import asyncio
import json
import sys
import time
from dataclasses import asdict, dataclass, field

import httptools
import uvloop


@dataclass(frozen=True)
class Order:
    """`each` streams, one after the other, on each of the connections."""

    port: int
    request: str
    connections: int
    each: int = 1


@dataclass
class Result:
    first: list[float] = field(default_factory=list)
    whole: int = 0
    bad: int = 0


class Reader(asyncio.Protocol):
    def __init__(self, order: Order, result: Result, all_open: asyncio.Event) -> None:
        self._request = order.request.encode("latin-1")
        self._order, self._result, self._all_open = order, result, all_open
        self._left = order.each
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._left:
            self._result.bad += self._left
        self.ended.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        if self._begun:
            return
        self._begun = True
        self._result.first.append(time.perf_counter() - self._sent_at)
        if len(self._result.first) == self._order.connections * self._order.each:
            self._all_open.set()

    def on_message_complete(self) -> None:
        good = self._parser.get_status_code() == 200 and self._begun
        self._result.whole += good
        self._result.bad += not good
        self._left -= 1
        if self._left:
            asyncio.get_running_loop().call_soon(self._ask)
        else:
            self._transport.close()

    def _ask(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._begun = False
        self._sent_at = time.perf_counter()
        self._transport.write(self._request)


async def read(order: Order) -> Result:
    loop, result, all_open = asyncio.get_running_loop(), Result(), asyncio.Event()
    readers = []
    for _ in range(order.connections):
        _, reader = await loop.create_connection(
            lambda: Reader(order, result, all_open), "127.0.0.1", order.port
        )
        readers.append(reader)
    ends = asyncio.gather(*(reader.ended for reader in readers))
    opened = asyncio.ensure_future(all_open.wait())
    await asyncio.wait([ends, opened], return_when=asyncio.FIRST_COMPLETED)
    print("open", flush=True)
    await ends
    opened.cancel()
    return result


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(read(Order(**json.loads(sys.argv[1])))))), flush=True)
