"""Every page as a screen reader has it: names, labels, headings, landmarks; a silent console."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.walker import Shop

pytestmark = [pytest.mark.browser, pytest.mark.live, pytest.mark.xdist_group("walk")]

# What is wrong with the page, one line each.
FAULTS = """() => {
  const all = (what) => [...document.querySelectorAll(what)];
  const seen = (what) => all(what).filter((element) => element.checkVisibility());
  const words = (ids) => (ids || "").split(/\\s+/).filter(Boolean)
    .map((id) => document.getElementById(id)?.textContent.trim() || "").join(" ");
  const said = (element) => element.getAttribute("aria-label")
    || words(element.getAttribute("aria-labelledby")) || element.title;
  const labels = (element) => [...(element.labels || [])].map((l) => l.textContent.trim()).join("");
  const faults = [];
  const wrong = (what, elements) => elements.forEach(
    (element) => faults.push(`${what}: ${element.outerHTML.slice(0, 160)}`));

  wrong("no label", seen("input:not([type=hidden]), select, textarea")
    .filter((element) => !labels(element) && !said(element)));
  wrong("no name", seen("button, a[href], summary, [role=button], [role=tab]")
    .filter((element) => !element.textContent.trim() && !said(element)));
  wrong("no alt", all("img:not([alt])"));
  wrong("no role for its picture", all("canvas:not([role=img]), canvas:not([aria-label])"));
  wrong("an icon that is read out", all("svg:not([aria-hidden=true])"));
  wrong("jumps the order of tabs", all("[tabindex]").filter((element) => element.tabIndex > 0));
  wrong("a table without a head", seen("table").filter((element) => !element.querySelector("th")));

  const ids = all("[id]").map((element) => element.id);
  const twice = ids.filter((id, at) => ids.indexOf(id) !== at);
  if (twice.length) faults.push(`ids used twice: ${twice}`);
  for (const name of ["aria-labelledby", "aria-describedby", "aria-controls", "for"]) {
    wrong(`${name} leads nowhere`, seen(`[${name}]`).filter((element) =>
      element.getAttribute(name).split(/\\s+/).some((id) => id && !document.getElementById(id))));
  }
  if (seen("h1").length !== 1) faults.push(`${seen("h1").length} times h1`);
  if (seen("main").length !== 1) faults.push(`${seen("main").length} times main`);
  const levels = seen("h1, h2, h3, h4, h5, h6").map((element) => Number(element.tagName[1]));
  if (levels.some((level, at) => at && level > levels[at - 1] + 1)) faults.push(`levels ${levels}`);
  if (!document.documentElement.lang) faults.push("no language");
  if (!document.title.trim()) faults.push("no title");
  return faults;
}"""
EVERYBODYS = ("/accounts/login/", "/accounts/password/reset/")
PAGES = (
    "/",
    "/connect/",
    "/applications/",
    "/applications/new/",
    "/calls/",
    "/checks/",
    "/providers/",
    "/providers/new/",
    "/audit/",
    "/ledger/",
    "/settings/",
    "/settings/tokens/new/",
    "/settings/users/invite/",
    "/accounts/password/change/",
    "/accounts/2fa/",
)
OF_A_SHOP = (
    "",
    "people/",
    "people/add/",
    "provider-keys/new/",
    "app-keys/new/",
    "provider-keys/{provider}/",
    "provider-keys/{provider}/rotate/",
    "provider-keys/{provider}/reveal/",
    "provider-keys/{provider}/revoke/",
    "app-keys/{app}/",
    "app-keys/{app}/rotate/",
    "app-keys/{app}/limits/",
)


def visit(page: Page, address: str) -> list[str]:
    """Opens a page, waits for what it loads by itself, and says what is wrong with it."""
    answer = page.goto(address)
    assert answer is not None
    assert answer.status == 200, address
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    if page.locator("canvas").count():
        page.locator("[data-usage-panel][data-drawn]").wait_for()
    return [f"{address}: {fault}" for fault in page.evaluate(FAULTS)]


def test_every_page_can_be_heard_and_leaves_the_console_silent(
    page: Page, visitor: Page, shop: Shop
) -> None:
    call = shop.call()
    assert call.status == 200
    parts = {"provider": shop.provider_key, "app": shop.app_key}
    addresses = [*PAGES, *(shop.page + part.format(**parts) for part in OF_A_SHOP)]
    faults = [fault for address in addresses for fault in visit(page, address)]
    faults += visit(page, f"/calls/{call.headers['x-request-id']}/")
    faults += [fault for address in EVERYBODYS for fault in visit(visitor, address)]
    assert faults == []
