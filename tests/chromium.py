"""Chromium, as tests of pages drive it.

Debian's package of it without a window is the same browser at half the processor time; where it
isn't installed, the whole one does.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.engines import CHROMIUM

WHOLE = CHROMIUM or "chromium"
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]


@contextmanager
def chromium() -> Iterator[Browser]:
    """One that runs. Playwright's loop runs in this thread meanwhile."""
    path = shutil.which("chromium-headless-shell") or WHOLE
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()
