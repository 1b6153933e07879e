"""A key broken at the provider is noticed, shown with its evidence, and comes back by itself."""

import os
import signal
import time

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.walker import Shop
from tests.live import PATIENCE, SLACK, Keydeck, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.live, pytest.mark.xdist_group("walk")]
INTERVAL = 2.0  # seconds, of tests.live
MORE = 3.0  # the worker's tick, the probe, this machine


def press(page: Page, product: Keydeck, verb: str, shop: Shop) -> None:
    """The button on the sandbox's own page."""
    page.goto(product.sandbox_url)
    page.get_by_role("button", name=f"{verb} {shop.secret}", exact=True).click()
    other = "revive" if verb == "kill" else "kill"
    expect(page.get_by_role("button", name=f"{other} {shop.secret}", exact=True)).to_be_visible()


def alerts(page: Page) -> str:
    page.goto("/")
    return page.get_by_role("region", name="Needs attention").inner_text()


def test_a_broken_key_is_suspect_within_an_interval_and_live_again_when_mended(
    page: Page, shop: Shop, product: Keydeck
) -> None:
    press(page, product, "kill", shop)
    wait_for(lambda: shop.health()["suspect"], INTERVAL + MORE * SLACK, "suspicion")
    page.goto(shop.provider_key_page)
    expect(
        page.get_by_role("heading", name="Suspect: the provider refused this key")
    ).to_be_visible()
    timeline = page.get_by_role("region", name="Checks")
    expect(timeline.locator("li").first).to_contain_text("HTTP 401")
    expect(timeline.locator("li").first).to_contain_text("Invalid API key")
    line = f"{shop.slug.capitalize()} · Main account is suspect"
    assert line in alerts(page)
    press(page, product, "revive", shop)
    wait_for(lambda: not shop.health()["suspect"], INTERVAL + MORE * SLACK, "trust")
    assert shop.health()["verdict"] == "live"
    assert line not in alerts(page)


def test_check_now_answers_at_once(page: Page, shop: Shop) -> None:
    page.goto(shop.provider_key_page)
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("“Main account” is live: ModelsLab accepts it")).to_be_visible()


@pytest.mark.prove
@pytest.mark.timeout(400)
def test_a_broken_key_is_dead_a_minute_after_suspicion_and_lives_when_mended(
    page: Page, shop: Shop, product: Keydeck
) -> None:
    press(page, product, "kill", shop)
    broken = time.monotonic()
    wait_for(lambda: shop.health()["suspect"], INTERVAL + MORE * SLACK, "suspicion")
    suspected = time.monotonic()
    wait_for(lambda: shop.health()["verdict"] == "dead", PATIENCE, "death")
    died = time.monotonic()
    assert died - suspected > 59
    assert died - broken < INTERVAL + 75
    page.goto(shop.provider_key_page)
    expect(page.get_by_role("alert")).to_contain_text("Dead: rejected by the provider")
    expect(page.get_by_role("alert")).to_contain_text("HTTP 401")
    assert f"{shop.slug.capitalize()} · Main account is dead" in alerts(page)
    assert shop.call().json()["error"]["code"] == "no_usable_key"
    press(page, product, "revive", shop)
    mended = time.monotonic()
    wait_for(lambda: shop.health()["verdict"] == "live", PATIENCE, "life")
    print(
        f"suspect {suspected - broken:.1f} s after the kill, dead {died - broken:.1f} s after it, "
        f"live again {time.monotonic() - mended:.1f} s after the revival"
    )
    wait_for(lambda: shop.call().status == 200, SLACK, "calls")


@pytest.mark.prove
def test_a_provider_that_does_not_answer_changes_no_verdict(
    page: Page, shop: Shop, product: Keydeck
) -> None:
    def unanswered() -> bool:
        latest = "SELECT status, meaning FROM keys_check WHERE key_id = ? ORDER BY id DESC LIMIT 1"
        return product.query(latest, shop.provider_key) == [(0, "unknown")]

    sandbox = product.pids()["sandbox"]
    os.kill(sandbox, signal.SIGSTOP)
    try:
        wait_for(unanswered, PATIENCE, "a check without an answer")
        assert (shop.health()["verdict"], shop.health()["suspect"]) == ("live", False)
        page.goto(shop.provider_key_page)
        checks = page.get_by_role("region", name="Checks").locator("li")
        expect(checks.first).to_contain_text("No answer")
        assert shop.slug.capitalize() not in alerts(page)
    finally:
        os.kill(sandbox, signal.SIGCONT)
    wait_for(lambda: not unanswered(), PATIENCE, "an answer")
    assert shop.health()["verdict"] == "live"
