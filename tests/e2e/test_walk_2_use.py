"""Using an app key: copied in one click, run as copied, on the charts, held to its limit."""

import json
import re
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.walker import SOON, Shop, call, copied, dialog, drawn, on_chart, recorded, run
from tests.live import Keydeck, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.live, pytest.mark.xdist_group("walk")]

WRAPPER = """
import requests
from usage.client import KeyedSession

def session(application):
    return KeyedSession(application=application, provider="modelslab", caller="nightly-batch")

address, picture = "/api/v6/images/text2img", {{"prompt": "a fox", "width": 512, "height": 512}}
print(session("{shop}").post(address, json=picture).status_code)
print(session("{shop}").post(address, json={{}}).status_code)
try:
    session("{slow}").post(address, json=picture, timeout=0.1)
except requests.Timeout as error:
    print(type(error).__name__)
"""


def test_one_click_copies_and_before_it_no_page_holds_a_secret(page: Page, shop: Shop) -> None:
    for address in (shop.page, shop.app_key_page, shop.provider_key_page):
        source = page.request.get(address).text()
        assert shop.text not in source
        assert shop.secret not in source
    page.goto(shop.app_key_page)
    assert copied(page, page.get_by_role("button", name="Copy the key")) == shop.text
    shell = page.get_by_role("button", name="Copy: Shell")
    assert copied(page, shell) == f"export MODELSLAB_API_KEY='{shop.text}'"
    dotenv = page.get_by_role("button", name="Copy: .env line")
    assert copied(page, dotenv) == f"MODELSLAB_API_KEY={shop.text}"
    base = page.get_by_role("button", name="Copy: Base URL")
    assert copied(page, base) == f"http://localhost:{shop.product.port}/gateway/modelslab"
    assert shop.text not in page.content()


def test_snippets_run_as_copied_and_are_on_the_chart_within_three_seconds(
    page: Page, shop: Shop, tmp_path: Path
) -> None:
    page.goto(shop.app_key_page)
    expect(page.get_by_text("No calls yet")).to_be_visible()
    curl = copied(page, page.locator("#curl").get_by_role("button", name="Copy with the key"))
    page.get_by_role("tab", name="Python").click()
    python = page.locator("#python")
    with_key = copied(page, python.get_by_role("button", name="Copy with the key"))
    reading = copied(page, python.get_by_role("button", name="Copy, reading MODELSLAB_API_KEY"))
    assert shop.text not in reading
    variable = {"MODELSLAB_API_KEY": shop.text}
    runs = (
        lambda: run(["sh"], tmp_path / "copied.sh", curl),
        lambda: run([sys.executable], tmp_path / "copied.py", with_key),
        lambda: run([sys.executable], tmp_path / "reading.py", reading, **variable),
    )
    for number, snippet in enumerate(runs, start=1):
        said = snippet()
        answered = time.monotonic()
        wait_for(
            lambda number=number: on_chart(page, "ok") == number, SOON, "the call on the chart"
        )
        assert time.monotonic() - answered < SOON
        assert json.loads(said[said.index("{") :])["status"] == "success"
    drawn(page)
    tiles = page.locator("[data-region=tiles]")
    expect(tiles).to_contain_text("0 errors of 3 answered")
    expect(tiles).to_contain_text(re.compile(r"p95 [\d.]+ m?s · p99 [\d.]+ m?s"))
    expect(page.locator("[data-region=latest] tbody tr")).to_have_count(3)


def test_calls_from_python_inside_keydeck_stand_beside_the_others(page: Page, shop: Shop) -> None:
    slow = Shop.open(shop.product, "slow-provider", "sandbox-slow-4-walk")
    assert shop.call().status == 200
    code = WRAPPER.format(shop=shop.slug, slow=slow.slug)
    done = shop.product.manage("shell", "-c", code)
    assert done.stdout.split()[-3:] == ["200", "400", "ReadTimeout"], done.stderr
    page.goto(shop.page)
    drawn(page)
    wait_for(lambda: on_chart(page) == 3, SOON, "all calls on the chart")
    assert (on_chart(page, "ok"), on_chart(page, "caller_error")) == (2, 1)
    page.goto(f"/calls/?application={shop.slug}")
    rows = page.locator("#calls tbody tr")
    expect(rows).to_have_count(3)
    expect(rows.filter(has_text="nightly-batch")).to_have_count(2)
    expect(rows.filter(has_text="Website")).to_have_count(1)
    page.goto(f"/calls/?application={slow.slug}")
    rows.filter(has_text="Network error").locator("a").click()
    main = page.locator("main")
    expect(main).to_contain_text("Wrapper")
    expect(main).to_contain_text("nightly-batch")
    expect(main).to_contain_text("The provider did not answer in time")


def test_a_key_with_a_limit_is_made_copied_and_stopped_at_it(
    page: Page, shop: Shop, product: Keydeck
) -> None:
    page.goto(shop.page)
    box = dialog(page, page.get_by_role("link", name="App key", exact=True))
    box.get_by_label("Name", exact=True).fill("Careful script")
    box.get_by_text("Limits").click()
    box.get_by_label("Requests per minute").fill("2")
    box.get_by_role("button", name="Create the key").click()
    expect(page.locator("h1")).to_have_text("Careful script")
    text = copied(page, page.get_by_role("button", name="Copy the key"))
    replies = [call(product, text) for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    refused = replies[-1]
    assert refused.json()["error"]["code"] == "rate_limited"
    assert refused.json()["retry_after"] == int(refused.headers["retry-after"]) > 0
    assert refused.headers["ratelimit-limit"] == "2"
    assert refused.headers["ratelimit-remaining"] == "0"
    assert 0 < int(refused.headers["ratelimit-reset"]) <= 60
    assert recorded(product, refused)["outcome"] == "denied"
    wait_for(lambda: on_chart(page, "denied") == 1, SOON, "the denied call on the chart")
    expect(page.locator("[data-region=tiles]")).to_contain_text("0 errors of 2 answered")
