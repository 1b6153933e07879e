"""The walk: one running product, one browser, people in it as a new user would be.

ModelsLab is the sandbox here, as an operator may point a provider at a stand-in; its keys end
in a word of their own, so that no test breaks another's. Every page visited must leave the
browser's console silent.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.e2e.walker import Shop, Silence, sign_in
from tests.live import ADMIN, PASSWORD, Keydeck

expect.set_options(timeout=15_000)  # milliseconds; a machine that builds beside is slow
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
    " --disable-background-networking --disable-component-update"
)


@pytest.fixture(scope="package")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keydeck]:
    keydeck = Keydeck(tmp_path_factory.mktemp("walk") / "data")
    keydeck.variables |= {
        "KEYDECK_PROVIDER_URLS": f"modelslab={keydeck.sandbox_url}",
        "KEYDECK_OUTBOUND_ALLOW": f"127.0.0.1:{keydeck.sandbox_port}",
    }
    with keydeck:
        yield keydeck


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=FLAGS.split()
        )
        yield chromium
        chromium.close()


@pytest.fixture
def silence() -> Iterator[Silence]:
    """The test fails when a browser had something to complain about."""
    listening = Silence()
    yield listening
    assert listening.broken_by == []


@pytest.fixture
def visitor(
    product: Keydeck, browser: Browser, silence: Silence
) -> Iterator[Callable[..., BrowserContext]]:
    """`visitor()`: a browser of somebody's own, at the address that `make up` prints."""
    opened: list[BrowserContext] = []

    def arrive(**options: Any) -> BrowserContext:
        context = browser.new_context(base_url=f"http://localhost:{product.port}", **options)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        silence.listen(context)
        opened.append(context)
        return context

    yield arrive
    for context in opened:
        context.close()


@pytest.fixture(scope="module")
def signed_in(product: Keydeck, browser: Browser) -> Any:
    """The admin's session, fresh enough for what asks for a fresh sign-in."""
    context = browser.new_context(base_url=f"http://localhost:{product.port}")
    page = context.new_page()
    page.goto("/")
    sign_in(page, ADMIN, PASSWORD)
    expect(page).to_have_url(re.compile(r"/$"))
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def page(visitor: Callable[..., BrowserContext], signed_in: Any) -> Page:
    """The admin's page."""
    return visitor(storage_state=signed_in).new_page()


@pytest.fixture
def shop(product: Keydeck, request: pytest.FixtureRequest) -> Shop:
    """An application of this test's own with both keys, the provider key live."""
    word = re.sub(r"\W+", "-", request.node.name.removeprefix("test_"))[:30].strip("-_")
    return Shop.open(product, word.replace("_", "-"))
