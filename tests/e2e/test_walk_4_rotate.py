"""Rotating and revoking both kinds of key while code goes on calling."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.walker import (
    SOON,
    Shop,
    Silence,
    change_at_provider,
    copied,
    dialog,
    drawn,
    on_chart,
    refused_within_a_second,
    seen_by_provider,
    stages,
)
from tests.live import PATIENCE, SLACK, Keydeck, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.live, pytest.mark.xdist_group("walk")]
KEYS_PAGE = "https://modelslab.com/dashboard/api-keys"


def rotating(page: Page) -> Locator:
    return page.get_by_role("link", name="Rotate", exact=True)


def more(page: Page, act: str) -> Locator:
    page.get_by_role("button", name="More").click()
    return page.get_by_role("link", name=act, exact=True)


def test_a_provider_key_is_rotated_under_code_that_notices_nothing(
    page: Page, shop: Shop, silence: Silence
) -> None:
    assert shop.call().status == 200
    page.goto(shop.provider_key_page)
    address = page.url
    silence.expect(422)
    box = dialog(page, rotating(page))
    box.get_by_label("New secret").fill("sandbx-typo")
    box.get_by_role("button", name="Test and rotate").click()
    expect(box.get_by_role("alert")).to_contain_text("Rejected by the provider")
    assert shop.call().status == 200
    renewed = f"{shop.secret}-renewed"
    box.get_by_label("New secret").fill(renewed)
    box.get_by_role("button", name="Test and rotate").click()
    expect(page.get_by_text("Two secrets work side by side")).to_be_visible()
    assert page.url == address
    assert stages(page) == {"1": "previous", "2": "failed", "3": "current"}
    drawn(page)
    wait_for(lambda: on_chart(page, "ok") == 2, SOON, "both calls on the chart")

    def forwarded_with_the_new_secret() -> bool:
        before = seen_by_provider(shop.product, renewed)
        assert shop.call().status == 200
        return seen_by_provider(shop.product, renewed) > before

    wait_for(forwarded_with_the_new_secret, SLACK, "a call with the new secret")
    box = dialog(page, page.get_by_role("link", name="End the overlap now"))
    box.get_by_role("button", name="End the overlap now").click()
    expect(page.get_by_text("uses the new secret alone")).to_be_visible()
    assert stages(page) == {"1": "retired", "2": "failed", "3": "current"}
    assert renewed not in page.content()
    assert shop.call().status == 200


def test_old_and_new_app_key_both_work_until_the_overlap_is_ended(page: Page, shop: Shop) -> None:
    page.goto(shop.app_key_page)
    box = dialog(page, rotating(page))
    box.get_by_label("The old secret goes on working for").select_option("1 hour")
    box.get_by_role("button", name="Rotate").click()
    expect(page.get_by_text("Two secrets work side by side")).to_be_visible()
    new = copied(page, page.get_by_role("button", name="Copy the key"))
    assert new != shop.text
    assert new.startswith(f"kd_live_{shop.app_key}_")
    wait_for(lambda: shop.call(new).status == 200, SLACK, "the new key let in")
    assert shop.call(shop.text).status == 200

    def asked_for_by_name() -> bool:
        page.goto(f"{shop.app_key_page}finish/")
        return page.get_by_label("Type Website to go on").count() == 1

    wait_for(asked_for_by_name, SLACK, "the old key's call counted")
    page.get_by_label("Type Website to go on").fill("Website")
    with page.expect_response("**/finish/"):
        page.get_by_role("button", name="End the overlap now").click()
    refused = refused_within_a_second(shop, shop.text, 401)
    assert refused.json()["message"] == "Invalid API key"
    assert shop.call(new).status == 200
    expect(page.get_by_text("uses the new secret alone")).to_be_visible()
    assert stages(page) == {"1": "retired", "2": "current"}


def test_a_revoked_app_key_is_refused_within_a_second(page: Page, shop: Shop) -> None:
    assert shop.call().status == 200
    page.goto(shop.app_key_page)
    box = dialog(page, more(page, "Revoke"))
    expect(box).to_contain_text("401 “Invalid API key” within a second")
    expect(box).to_contain_text("In use:")
    box.get_by_label("Type Website to go on").fill("Website")
    with page.expect_response("**/revoke/"):
        box.get_by_role("button", name="Revoke for good").click()
    refused = refused_within_a_second(shop, shop.text, 401)
    assert refused.json()["error"]["code"] == "invalid_key"
    expect(page.get_by_text("Website is revoked.")).to_be_visible()
    expect(page.get_by_role("button", name="Copy the key")).to_have_count(0)
    drawn(page)


def test_a_revoked_provider_key_is_watched_until_the_provider_refuses_it(
    page: Page, shop: Shop, product: Keydeck
) -> None:
    page.goto(shop.provider_key_page)
    box = dialog(page, more(page, "Revoke"))
    expect(box).to_contain_text("This does not revoke it at ModelsLab.")
    there = box.get_by_role("link", name="Revoke it at ModelsLab too")
    expect(there).to_have_attribute("href", KEYS_PAGE)
    with page.expect_response("**/revoke/"):
        box.get_by_role("button", name="Revoke for good").click()
    refused = refused_within_a_second(shop, shop.text, 503)
    assert refused.json()["error"]["code"] == "no_usable_key"
    wait_for(lambda: shop.health()["live_at_provider"], PATIENCE, "a look at the provider")
    page.goto(shop.provider_key_page)
    expect(
        page.get_by_role("heading", name="Revoked here, still live at the provider")
    ).to_be_visible()
    expect(
        page.locator("main").get_by_role("link", name="Revoke it at ModelsLab")
    ).to_have_attribute("href", KEYS_PAGE)
    page.goto("/")
    expect(page.get_by_role("region", name="Needs attention")).to_contain_text(
        f"{shop.slug.capitalize()} · Main account is revoked here, still live at the provider"
    )
    change_at_provider(product, shop.secret, "kill")
    wait_for(lambda: shop.health()["live_at_provider"] is False, PATIENCE, "the provider's refusal")
    page.goto(shop.provider_key_page)
    expect(page.get_by_text("Revoked here, and ModelsLab refuses it too.")).to_be_visible()
