"""The gateway on a real server in a thread, and what tests ask of it."""

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import requests
import uvicorn

from tests.live import PATIENCE
from usage.gateway.app import gateway
from usage.models import Call


def wait_until(holds: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """What `holds` returns once it is true; fails when that takes too long."""
    until = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.02)
    return found


class Server:
    """A gateway that answers at `url`; `.post(...)` and `.get(...)` send to a provider's path."""

    def __init__(self, app: Any = gateway) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        config = uvicorn.Config(  # as config.supervisor starts it
            app,
            http="config.protocol:BoundedProtocol",
            log_config=None,
            access_log=False,
            lifespan="on",
            proxy_headers=False,
            timeout_keep_alive=60,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))
        self.session = requests.Session()
        self.session.trust_env = False

    def start(self) -> None:
        self._thread.start()
        wait_until(lambda: self._server.started)

    def stop(self) -> None:
        self.session.close()
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        self._socket.close()
        assert not self._thread.is_alive()
        # The gateway waits only so long for it; the next test must not get its calls.
        wait_until(lambda: "drainer" not in {thread.name for thread in threading.enumerate()})

    def post(self, path: str, provider: str = "modelslab", **options: Any) -> requests.Response:
        return self.session.post(f"{self.url}/gateway/{provider}{path}", **options)

    def get(self, path: str, provider: str = "modelslab", **options: Any) -> requests.Response:
        return self.session.get(f"{self.url}/gateway/{provider}{path}", **options)


def stored_call(response: requests.Response | str) -> Call:
    """The recorded call of an answer (or of a request id), once it is drained."""
    found = response if isinstance(response, str) else response.headers["X-Request-Id"]
    call: Call = wait_until(lambda: Call.objects.filter(pk=found).first())
    return call
