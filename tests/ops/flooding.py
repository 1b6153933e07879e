"""Calls without a key, with a wrong one and with an unknown one, as many as are taken.

    python -m tests.ops.flooding '{"ports": [8080], "seconds": 5, …}'

Prints how many were answered, by status, as JSON. Requests are sent many at once on a connection,
so that sending costs little beside answering. With `networks` each names another address as
forwarded, of so many networks.
"""

import asyncio
import json
import random
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass

import uvloop

AT_ONCE = 12  # the gateway takes up to 16 ahead of their answers
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ")


@dataclass(frozen=True)
class Order:
    ports: list[int]
    keys: list[str]  # texts of keys that nobody has; empty: none is sent
    seconds: float
    connections: int = 4  # of each port
    networks: int = 0


def requests(order: Order, luck: random.Random) -> tuple[bytes, int]:
    """Some requests as text, and how many."""
    lines = []
    for _ in range(AT_ONCE):
        head = "GET /gateway/modelslab/api/v6/models HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        if key := luck.choice(order.keys):
            head += f"authorization: Bearer {key}\r\n"
        if order.networks:
            n = luck.randrange(order.networks)
            head += f"x-forwarded-for: 10.{n >> 8 & 255}.{n & 255}.{luck.randrange(1, 250)}\r\n"
        lines.append(head + "\r\n")
    return "".join(lines).encode(), len(lines)


async def flood(order: Order, port: int, statuses: Counter[str], luck: random.Random) -> None:
    until = time.monotonic() + order.seconds
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.monotonic() < until:
        text, left = requests(order, luck)
        writer.write(text)
        rest = b""
        while left:
            came = rest + await reader.read(1 << 18)
            if len(came) == len(rest):
                raise EOFError("the server hung up")
            found = list(_STATUS.finditer(came))
            statuses.update(one[1].decode() for one in found)
            left -= len(found)
            rest = came[max(found[-1].end() if found else 0, len(came) - 16) :]
        # The body of the last one may still come: it holds no status.
    writer.close()


async def main(order: Order) -> None:
    statuses: Counter[str] = Counter()
    luck = random.Random(1)
    started = time.monotonic()
    await asyncio.gather(
        *(
            flood(order, port, statuses, luck)
            for port in order.ports
            for _ in range(order.connections)
        )
    )
    print(json.dumps({"seconds": time.monotonic() - started, "statuses": dict(statuses)}))


if __name__ == "__main__":
    uvloop.run(main(Order(**json.loads(sys.argv[1]))))
