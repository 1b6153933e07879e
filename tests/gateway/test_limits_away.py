"""Redis dies, comes back, or forgets: calls go on, it is said, and no quota is handed out again."""

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from django.test import Client
from pytest_django import Settings

from keys.models import AppKey, Application, ProviderKey, User
from tests.factories import AppKeyFactory
from tests.gateway.conftest import TEXT2IMG
from tests.gateway.serving import Server, stored_call, wait_until
from tests.gateway.shared_limits import NOON
from tests.live import free_port
from tests.upstream import Upstream
from usage.gateway import app, desk
from usage.limits import Limiter, Limits, limiter

SERVER = shutil.which("redis-server")
pytestmark = [
    pytest.mark.redis,
    pytest.mark.skipif(SERVER is None, reason="needs redis-server to start one of its own"),
]
NOTICE = "Redis does not answer"


class OwnRedis:
    """A Redis of the test's own, which keeps nothing over its death."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(
            [str(SERVER), *options, "--dir", str(self._folder)], stdout=subprocess.DEVNULL
        )
        wait_until(self._answers)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(60)

    def lose_everything(self) -> None:
        with redis.Redis(port=self.port) as client:
            client.flushall()

    def _answers(self) -> bool:
        with socket.socket() as line:
            return line.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    found = OwnRedis(tmp_path_factory.mktemp("redis"))
    yield found
    found.kill()


@pytest.fixture
def own_redis(
    server: OwnRedis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OwnRedis]:
    monkeypatch.setattr(limiter, "RETRY_REDIS", 0.0)
    server.kill()
    server.start()
    settings.REDIS_URL = server.url
    desk.forget()
    yield server
    desk.forget()


@pytest.fixture
def shared_gateway(
    own_redis: OwnRedis,
    start_gateway: Callable[..., Server],
    provider_key: ProviderKey,
    provider: Upstream,
) -> Server:
    return start_gateway()


def test_calls_go_on_without_redis_and_the_quota_holds_over_its_death(
    shared_gateway: Server,
    own_redis: OwnRedis,
    application: Application,
    owner: User,
    client_of: Callable[..., Client],
) -> None:
    key: AppKey = AppKeyFactory(application=application, per_day=4, per_minute=100)
    body = {"key": key.plaintext, "prompt": "x"}  # type: ignore[attr-defined]
    reader = client_of(owner)

    def left() -> str:
        answer = shared_gateway.post(TEXT2IMG, json=body)
        stored_call(answer)
        return answer.headers["RateLimit-Remaining"]

    def said() -> tuple[object, bool]:
        notice = reader.get("/usage/limits/").content.decode()
        return app.status()["checks"]["limits"], NOTICE in notice  # type: ignore[index]

    assert left() == "3"
    assert said() == ("redis", False)
    own_redis.kill()
    assert left() == "2"
    assert said() == ("redis away, memory", True)
    assert app.status()["ready"]
    own_redis.start()
    assert left() == "1"
    assert said() == ("redis", False)
    own_redis.lose_everything()
    assert left() == "0"
    refused = shared_gateway.post(TEXT2IMG, json=body)
    assert refused.json()["error"]["code"] == "quota_exceeded"


def test_the_overview_asks_for_the_notice(client_of: Callable[..., Client], owner: User) -> None:
    assert 'hx-get="/usage/limits/"' in client_of(owner).get("/").content.decode()


def test_permits_to_run_at_once_outlive_the_death_of_redis(own_redis: OwnRedis) -> None:
    one, bounds = Limiter(own_redis.url), Limits(concurrency=1)
    assert one.take("k", "a", bounds, NOON).allowed
    own_redis.kill()
    assert one.take("k", "b", bounds, NOON).allowed  # from here on it counts for itself
    assert not one.take("k", "c", bounds, NOON).allowed
    one.release("k", "b", bounds)
    assert one.take("k", "d", bounds, NOON).allowed
    one.release("k", "a", bounds)
    own_redis.start()
    assert one.take("k", "e", bounds, NOON).allowed
    assert not one.take("k", "f", bounds, NOON).allowed
    one.close()
