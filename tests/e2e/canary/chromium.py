"""A person's own Chromium, whose profile stays on the disk: what it is shown and what is typed."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import BrowserContext, Page, expect, sync_playwright

from tests.chromium import FLAGS, WHOLE
from tests.e2e.canary.keys import Keyed
from tests.e2e.canary.stage import Stage
from tests.live import ADMIN, PATIENCE

SEEN = "import/"  # part of an address that was visited last
WAIT = 1000 * PATIENCE  # milliseconds


@contextmanager
def chromium(profile: Path) -> Iterator[BrowserContext]:
    """Closed as a person closes it, so that all is written that will be."""
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=WHOLE, args=FLAGS
        )
        yield context
        context.close()


def person_at_work(stage: Stage, keyed: Keyed) -> None:
    """Signs in, types secrets, lets them be shown and copied, leaves each page and goes back."""
    with chromium(stage.profile) as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = context.pages[0]
        page.set_default_timeout(WAIT)
        _signs_in(stage, page)
        _is_shown_a_token(stage, page)
        _is_shown_a_second_factor(stage, page)
        _looks_at_keys(stage, page, keyed)
        _types_keys(stage, page, keyed)
        cookie = next(one for one in context.cookies() if one["name"] == "keydeck_session")
        stage.cage.add("session in Chromium", cookie["value"])


def _signs_in(stage: Stage, page: Page) -> None:
    page.goto(stage.page("/"))
    for password in (stage.cage.plant("password mistyped in Chromium"), stage.password):
        page.get_by_label("E-mail address").fill(ADMIN)
        page.get_by_label("Password").fill(password)
        with page.expect_navigation():  # or the next name goes into the page that is left
            page.get_by_role("button", name="Sign in").click()
    expect(page.locator("h1")).to_have_text("Overview")


def _leave(stage: Stage, page: Page) -> None:
    page.goto(stage.page("/providers/new/"))
    page.go_back()


def _is_shown_a_token(stage: Stage, page: Page) -> None:
    page.goto(stage.page("/settings/"))
    page.locator("a[href='/settings/tokens/new/']").first.click()
    box = page.locator("#dialog")
    box.get_by_label("Name").fill("Chromium")
    box.locator("button[type=submit]").click()
    stage.cage.issued("API token by Chromium", box.locator("#revealed").input_value())
    _leave(stage, page)


def _is_shown_a_second_factor(stage: Stage, page: Page) -> None:
    page.goto(stage.page("/accounts/2fa/totp/activate/"))
    page.get_by_label("Password").fill(stage.password)
    page.get_by_role("button", name="Confirm").click()
    expect(page.get_by_label("Authenticator code")).to_be_visible()
    found = re.search(r"\b[A-Z2-7]{32}\b", page.content())
    assert found, page.content()
    stage.cage.add("TOTP secret in Chromium", found[0])
    _leave(stage, page)


def _looks_at_keys(stage: Stage, page: Page, keyed: Keyed) -> None:
    keys = f"/applications/{keyed.slug}"
    page.goto(stage.page(f"{keys}/provider-keys/{keyed.provider_key}/"))
    page.get_by_role("button", name="More").click()
    page.locator("a[href$='/reveal/']").first.click()
    box = page.locator("#dialog")
    box.get_by_label("Reason").fill("sweep")
    box.get_by_role("button", name="Reveal").click()
    shown = box.locator("#revealed").input_value()
    assert shown == stage.text_of("provider key rotated in")
    box.locator("#revealed").select_text()
    _leave(stage, page)
    page.goto(stage.page(f"{keys}/app-keys/{keyed.app_key}/"))
    page.get_by_role("button", name="Copy the key").click()
    expect(page.locator("#copy-status")).to_have_text("Copied to the clipboard")
    assert page.evaluate("navigator.clipboard.readText()") == keyed.text
    _leave(stage, page)


def _types_keys(stage: Stage, page: Page, keyed: Keyed) -> None:
    cage, connect = stage.cage, stage.page("/connect/")
    left = cage.provider_key("provider key typed in Chromium, not sent")
    page.goto(connect)
    page.get_by_label("Provider key").fill(left)
    _leave(stage, page)
    rows = [
        f"{keyed.provider},Row {number},{cage.provider_key(f'provider key {number} in Chromium')}"
        for number in (1, 2)
    ]
    for text in (f"{rows[0]}\nnobody,Row,x", rows[1]):  # refused, then imported
        page.goto(stage.page(f"/applications/{keyed.slug}/{SEEN}"))
        page.locator("textarea[name=text]").fill(text)
        page.get_by_role("button", name="Import", exact=True).click()
        page.locator("#import-answer > *, .kd-import > *, main .alert").first.wait_for()
        _leave(stage, page)
    page.goto(stage.page(f"/applications/{keyed.slug}/{SEEN}"))
    page.locator("textarea[name=text]").fill(f"A={cage.provider_key('variable left in Chromium')}")
    _leave(stage, page)


@contextmanager
def forgetful(texts: dict[str, bytes]) -> Iterator[str]:
    """A site that lets browsers keep what it shows: the address of one page for each text."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b"<pre>" + texts.get(self.path.strip("/"), b"")
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Cache-Control", "max-age=600")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
