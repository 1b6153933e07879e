"""The walk: one running product, one browser, people in it as a new user would be.

ModelsLab is the sandbox here, as an operator may point a provider at a stand-in; its keys end
in a word of their own, so that no test breaks another's. Every page visited must leave the
browser's console silent.
"""

import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.chromium import chromium
from tests.e2e.walker import REPORT_VIOLATIONS, Shop, Silence, sign_in
from tests.live import ADMIN, PASSWORD, PATIENCE, Keydeck

WAIT = 1000 * PATIENCE  # milliseconds
expect.set_options(timeout=WAIT)
FRESH = 120.0  # seconds; the product's own bound is five minutes


@pytest.fixture(scope="package")
def product(tmp_path_factory: pytest.TempPathFactory, prepared: Path) -> Iterator[Keydeck]:
    data = shutil.copytree(prepared, tmp_path_factory.mktemp("walk") / "data")
    keydeck = Keydeck(Path(data))
    keydeck.variables |= {
        "KEYDECK_PROVIDER_URLS": f"modelslab={keydeck.sandbox_url}",
        "KEYDECK_OUTBOUND_ALLOW": f"127.0.0.1:{keydeck.sandbox_port}",
    }
    with keydeck:
        yield keydeck


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


class Office:
    """The admin's browser, kept from test to test as a person keeps theirs; signed in freshly
    enough for what asks for a fresh sign-in."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self._signed_in_at = 0.0

    def enter(self) -> None:
        if self._signed_in_at and time.monotonic() - self._signed_in_at < FRESH:
            return
        self.context.clear_cookies()
        page = self.context.new_page()
        page.goto("/")
        sign_in(page, ADMIN, PASSWORD)
        expect(page.locator("h1")).to_have_text("Overview")
        page.close()
        self._signed_in_at = time.monotonic()


@pytest.fixture(scope="package")
def arrive(product: Keydeck, browser: Browser) -> Callable[[], BrowserContext]:
    """A browser of somebody's own, at the address that `make up` prints."""

    def made() -> BrowserContext:
        context = browser.new_context(base_url=f"http://localhost:{product.port}")
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.add_init_script(REPORT_VIOLATIONS)
        context.set_default_timeout(WAIT)
        return context

    return made


@pytest.fixture(scope="package")
def office(arrive: Callable[[], BrowserContext]) -> Office:
    return Office(arrive())


@pytest.fixture
def silence() -> Iterator[Silence]:
    """The test fails when a browser had something to complain about."""
    listening = Silence()
    yield listening
    assert listening.broken_by == []


@pytest.fixture
def visitor(arrive: Callable[[], BrowserContext], silence: Silence) -> Iterator[Page]:
    """Somebody's page who is not signed in."""
    context = arrive()
    with silence.around(context):
        yield context.new_page()
    context.close()


@pytest.fixture
def page(office: Office, silence: Silence) -> Iterator[Page]:
    """The admin's page."""
    office.enter()
    with silence.around(office.context):
        opened = office.context.new_page()
        yield opened
        opened.close()


@pytest.fixture
def shop(product: Keydeck, request: pytest.FixtureRequest) -> Shop:
    """An application of this test's own with both keys, the provider key live."""
    word = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_"))
    return Shop.open(product, word[:30].strip("-"))
