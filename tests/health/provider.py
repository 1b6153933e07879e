"""A provider in a process of its own: takes its time, and keeps count of how many it is asked by.

`python -m tests.health.provider SECONDS` prints its port. Any POST is a wallet's answer after
so many seconds; GET /counts tells {"asked", "most", "keys"}: questions, the most at once, and
how many different keys were asked about.
"""

import asyncio
import json
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen
from typing import Any

from aiohttp import web

ANSWER = json.dumps({"status": "success", "data": {"balance": 1.5, "currency": "USD"}})


class Provider:
    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.asked = self.now = self.most = 0
        self.keys: set[str] = set()

    async def answer(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            counts = {"asked": self.asked, "most": self.most, "keys": len(self.keys)}
            return web.json_response(counts)
        self.asked += 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            self.keys.add((await request.json())["key"])
            await asyncio.sleep(self.seconds)
        finally:
            self.now -= 1
        return web.Response(text=ANSWER, content_type="application/json")


async def main(seconds: float) -> None:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", Provider(seconds).answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


@contextmanager
def serving(seconds: float) -> Iterator[str]:
    """Its base URL while it runs."""
    command = [sys.executable, "-m", "tests.health.provider", str(seconds)]
    with Popen(command, stdout=PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def counts(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/counts", timeout=60) as answer:
        return json.load(answer)  # type: ignore[no-any-return]


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
