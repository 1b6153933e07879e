"""The sandbox as a real process on a free port."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.live import PATIENCE

ROOT = Path(__file__).parents[2]


class Running:
    """One sandbox process and its address."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "sandbox", "--port", "0", *arguments],
            cwd=ROOT,
            env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        line = self.process.stdout.readline() if self.process.stdout else ""
        found = re.search(r"http://\S+:(\d+)/", line)
        if not found:
            raise RuntimeError(f"no sandbox: {line!r} {self.process.communicate()[1]}")
        self.port = int(found[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def end(self) -> tuple[int, str, str]:
        """Status and what was printed since the first line."""
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err

    def text2img(self, key: str, prompt: str = "a fox") -> requests.Response:
        body = {"key": key, "prompt": prompt, "model_id": "flux", "width": 512, "height": 512}
        return requests.post(f"{self.url}/api/v6/images/text2img", json=body, timeout=PATIENCE)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Running]:
    running = Running()
    yield running
    running.end()
