"""Calls through the gateway from several threads, keeping the id of every answer."""

import http.client
import threading

from tests.live import Keydeck, ask

BODY = {"prompt": "a lighthouse", "model_id": "flux", "width": 512, "height": 512}


class Load:
    """Runs between `with`; `ids` are the X-Request-Ids that callers really received.

    `failures` are calls without an answer, `refused` those answered otherwise than with 200.
    """

    def __init__(self, keydeck: Keydeck, key: str, threads: int = 4) -> None:
        self.ids: list[str] = []
        self.failures = 0
        self.refused: list[str] = []
        self._url = f"{keydeck.url}/gateway/sandbox/api/v6/images/text2img"
        self.key = key  # may be exchanged while it runs
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                reply = ask("POST", self._url, {**BODY, "key": self.key})
            except (OSError, http.client.HTTPException):
                self.failures += 1  # the process that had this call was killed
                self._stop.wait(0.02)
            else:
                if reply.status != 200:
                    self.refused.append(f"{reply.status} {reply.body[:200].decode()}")
                self.ids.append({k.lower(): v for k, v in reply.headers.items()}["x-request-id"])

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
