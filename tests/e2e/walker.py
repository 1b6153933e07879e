"""What the walk's tests do again and again: shops, calls, clipboards, forms, silence."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, WebError, expect

from tests.live import PATIENCE, SLACK, Keydeck, Reply, ask, wait_for

TEXT2IMG = "/gateway/modelslab/api/v6/images/text2img"
SOON = 3.0 * SLACK  # seconds from a call to its place on the charts
REPORT_VIOLATIONS = """addEventListener("securitypolicyviolation",
  (event) => console.error("CSP", event.violatedDirective, event.blockedURI))"""
_SUM = """(canvas, name) => !canvas.kdChart ? -1 : canvas.kdChart.data.datasets
  .filter((row) => !name || row.name === name)
  .reduce((sum, row) => sum + row.data.reduce((a, b) => a + b, 0), 0)"""
# Whether the highest bar is painted where the chart says that it is.
_PAINTED = """(canvas) => {
  const chart = canvas.kdChart;
  const rows = chart.data.datasets.map((row, at) => [Math.max(...row.data), at]);
  const [most, at] = rows.reduce((a, b) => (b[0] > a[0] ? b : a));
  const bar = chart.getDatasetMeta(at).data[chart.data.datasets[at].data.indexOf(most)];
  const dots = chart.currentDevicePixelRatio;
  const [x, y] = [bar.x * dots, (bar.y + bar.base) / 2 * dots];
  return canvas.getContext("2d").getImageData(x, y, 1, 1).data[3] === 255;
}"""


class Silence:
    """What browsers complained about: console errors, CSP violations, uncaught exceptions."""

    def __init__(self) -> None:
        self.broken_by: list[str] = []
        self._expected: set[str] = set()

    def expect(self, status: int) -> None:
        """From now on an answer of that status is meant to happen."""
        self._expected.add(f"the server responded with a status of {status} ")

    @contextmanager
    def around(self, context: BrowserContext) -> Iterator[None]:
        context.on("console", self._hear)
        context.on("weberror", self._caught)
        yield
        context.remove_listener("console", self._hear)
        context.remove_listener("weberror", self._caught)

    def _caught(self, error: WebError) -> None:
        self.broken_by.append(str(error.error))

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type != "error" or any(words in said.text for words in self._expected):
            return
        self.broken_by.append(f"{said.text} ({said.location.get('url', '')})")


@dataclass(frozen=True)
class Shop:
    """An application with both keys."""

    product: Keydeck
    slug: str
    secret: str
    provider_key: str
    app_key: str
    text: str = field(repr=False)

    @classmethod
    def open(cls, product: Keydeck, slug: str, secret: str = "") -> "Shop":
        secret = secret or f"sandbox-live-{slug}"
        _made(product, "/applications", {"name": slug.capitalize(), "slug": slug})
        given = {"name": "Main account", "provider": "modelslab", "secret": secret}
        key = _made(product, f"/applications/{slug}/provider-keys", given)
        asked = {"name": "Website", "providers": None}
        code = _made(product, f"/applications/{slug}/app-keys", asked)
        return cls(product, slug, secret, key["id"], code["id"], code["key"])

    @property
    def page(self) -> str:
        return f"/applications/{self.slug}/"

    @property
    def provider_key_page(self) -> str:
        return f"{self.page}provider-keys/{self.provider_key}/"

    @property
    def app_key_page(self) -> str:
        return f"{self.page}app-keys/{self.app_key}/"

    def call(self, text: str = "") -> Reply:
        """ModelsLab's own example through the gateway, with this app key."""
        return call(self.product, text or self.text)

    def health(self) -> dict[str, Any]:
        path = f"{self.page.rstrip('/')}/provider-keys/{self.provider_key}"
        found: dict[str, Any] = self.product.call("GET", path).json()
        return found


def _made(product: Keydeck, path: str, body: Any) -> Any:
    reply = product.call("POST", path, body)
    assert reply.status == 201, reply
    return reply.json()


def call(product: Keydeck, text: str) -> Reply:
    body = {"key": text, "prompt": "a fox", "model_id": "flux", "width": 512, "height": 512}
    return ask("POST", product.url + TEXT2IMG, body)


def recorded(product: Keydeck, reply: Reply) -> dict[str, Any]:
    """The record of a call, when it can be read."""
    path = f"/calls/{reply.headers['x-request-id']}"

    def look() -> Any:
        found = product.call("GET", path)
        return found.json() if found.status == 200 else None

    found: dict[str, Any] = wait_for(look, SOON, "the call in the ledger")
    return found


def refused_within_a_second(shop: Shop, text: str, status: int) -> Reply:
    def look() -> Reply | None:
        reply = shop.call(text)
        return reply if reply.status == status else None

    return wait_for(look, SLACK, f"{status} for the key")


def change_at_provider(product: Keydeck, secret: str, verb: str) -> None:
    """Kills or revives a key at the sandbox."""
    path = f"/_sandbox/keys/{quote(secret, safe='')}/{verb}"
    assert ask("POST", product.sandbox_url + path).status == 200


def seen_by_provider(product: Keydeck, secret: str) -> int:
    """How many requests came to the provider with this secret."""
    seen = ask("GET", f"{product.sandbox_url}/_sandbox/keys").json()["seen"]
    return next((int(row["requests"]) for row in seen if row["key"] == secret), 0)


def run(command: Sequence[str], file: Path, text: str, **variables: str) -> str:
    """Runs a copied text as a developer does; its standard output."""
    file.write_text(text)
    done = subprocess.run(
        [*command, str(file)],
        env={"PATH": os.environ["PATH"], **variables},
        cwd=file.parent,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def sign_in(page: Page, email: str, password: str) -> None:
    page.get_by_label("E-mail address").fill(email)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def copied(page: Page, button: Locator) -> str:
    """What one click on the button puts into the clipboard."""
    page.evaluate("navigator.clipboard.writeText('')")
    button.click()
    text = wait_for(
        lambda: page.evaluate("navigator.clipboard.readText()"), PATIENCE, "a text in the clipboard"
    )
    expect(page.locator("#copy-status")).to_have_text("Copied to the clipboard")
    return str(text)


def dialog(page: Page, opener: Locator) -> Locator:
    """The dialog that the link opens."""
    opener.click()
    box = page.locator("#dialog")
    expect(box).to_be_visible()
    return box


def chart(page: Page) -> Locator:
    return page.locator("canvas[data-chart=requests]")


def on_chart(page: Page, outcome: str = "") -> int:
    """Calls on the chart of requests; -1 while there is none."""
    canvas = chart(page)
    return int(canvas.evaluate(_SUM, outcome)) if canvas.count() else -1


def drawn(page: Page) -> None:
    """Waits for the chart, and looks at its pixels."""
    page.locator("[data-usage-panel][data-drawn]").wait_for()
    assert chart(page).evaluate(_PAINTED)


def stages(page: Page) -> dict[str, str]:
    """The versions table: number -> stage."""
    rows = page.locator("section[aria-labelledby=versions] tbody tr")
    cells = [row.locator("td").all_inner_texts() for row in rows.all()]
    return {texts[0].removeprefix("Version ").strip(): texts[2].strip() for texts in cells}
