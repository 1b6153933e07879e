"""The same of Redis as broker and for shared limits: no secret is in it, nor ever was."""

import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from tests.e2e.canary import calls, keys, pages, sinks
from tests.e2e.canary.canaries import Cage
from tests.e2e.canary.control import disguised
from tests.e2e.canary.leaving import in_redis
from tests.e2e.canary.stage import Stage
from tests.e2e.canary.sweep import Sweep
from tests.engines import REDIS

pytestmark = [
    pytest.mark.live,
    pytest.mark.redis,
    pytest.mark.prove,  # the short form is the broker of files in tests/e2e/test_canaries.py
    pytest.mark.xdist_group("canaries on Redis"),
    pytest.mark.timeout(180),
]
DATABASE = 11  # its own
CONTROL = 12


@contextmanager
def listening(database: int) -> Iterator[list[bytes]]:
    """Every command that is sent to a Redis database meanwhile, scripts' own too."""
    heard: list[bytes] = []
    url, end = urlsplit(REDIS), secrets.token_hex().encode()
    with socket.create_connection((url.hostname, url.port or 6379)) as line:
        line.sendall(b"MONITOR\r\n")
        lines = line.makefile("rb")
        assert lines.readline() == b"+OK\r\n"

        def listen() -> None:
            for said in lines:
                if end in said:
                    return
                if f" [{database} ".encode() in said[:40]:
                    heard.append(said)

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield heard
        finally:
            with redis.Redis.from_url(REDIS) as client:
                client.echo(end)
            thread.join(30)


def test_no_secret_goes_through_redis(tmp_path: Path) -> None:
    stage = Stage(tmp_path, REDIS_URL=f"{REDIS}/{DATABASE}")
    with redis.Redis.from_url(f"{REDIS}/{DATABASE}") as client:
        client.flushdb()
        try:
            with listening(DATABASE) as heard:
                _play(stage)
                left = dict(sinks.redis_keys(client))
        finally:
            stage.close()
            client.flushdb()
    sent = b"\n".join(heard)
    for task in (b"keys.tasks.check_due", b"usage.tasks.deliver_alerts"):
        assert task in sent
    assert left.keys() >= {"redis _kombu.binding.keydeck"}
    sweep = Sweep(stage.cage.all)
    hits = [hit for name, data in left.items() for hit in sweep.search(name, data)]
    hits += sweep.search("what was sent to Redis", sent)
    print(
        f"\n{len(stage.cage.all)} canaries, {len(heard)} commands to Redis and "
        f"{len(left)} keys left in it: {len(hits)} finds"
    )
    assert not [str(hit) for hit in hits]


def _play(stage: Stage) -> None:
    stage.start()
    live = keys.connect(
        stage, "live", "modelslab", stage.cage.provider_key("provider key live", "live")
    )
    keys.live_one(stage, live)
    limits = {"limits": {"per_minute": 20, "per_day": 1000, "concurrency": 3}}
    stage.rest("PATCH", f"/applications/live/app-keys/{live.app_key}", limits)
    calls.in_every_place(stage, live, live.text, "right key")
    calls.in_every_place(stage, live, stage.cage.plant("unknown key", "kd_live_A_"), "unknown key")
    pages.admin_at_work(stage)
    stage.rest("POST", f"/applications/live/provider-keys/{live.provider_key}/check")


def test_the_sweep_finds_every_canary_planted_in_redis() -> None:
    cage = Cage()
    for number in range(20):
        cage.provider_key(f"provider key {number}", "live", keys.AWKWARD if number % 2 else "")
    sweep = Sweep(cage.all)
    planted = disguised(cage.all, binary=True)
    with redis.Redis.from_url(f"{REDIS}/{CONTROL}") as client:
        client.flushdb()
        for name, data in in_redis(client, planted):
            assert {hit.canary for hit in sweep.search(name, data)} == planted[name].keys(), name
    spoken = disguised(cage.all, binary=False)
    for name, data in spoken.items():
        with redis.Redis.from_url(f"{REDIS}/{CONTROL}") as client, listening(CONTROL) as heard:
            client.lpush("queue", *data.values())
            client.delete("queue")
        found = {hit.canary for said in heard for hit in sweep.search("sent", said)}
        assert found == data.keys(), name
