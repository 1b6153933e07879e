"""A provider's errors pass through and are recorded with whose fault they are and the remedy."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.walker import Shop, change_at_provider, recorded
from tests.live import Keydeck

pytestmark = [pytest.mark.browser, pytest.mark.live, pytest.mark.xdist_group("walk")]


@pytest.mark.parametrize(
    ("secret", "status", "words", "code", "remedy"),
    [
        (
            "sandbox-credits-shop",
            402,
            "Insufficient credits",
            "key_exhausted",
            "Add credits at the provider or upgrade its plan",
        ),
        (
            "sandbox-plan-shop",
            403,
            "requires a premium subscription",
            "key_limited",
            "this feature needs a higher tier",
        ),
        (
            "sandbox-200-credits-shop",
            200,
            "Insufficient credits",
            "key_exhausted",
            "Add credits at the provider or upgrade its plan",
        ),
        (
            "sandbox-live-killed",
            401,
            "Invalid API key",
            "key_invalid",
            "Verify that the provider key is correct and not revoked",
        ),
    ],
)
def test_an_error_of_the_key(
    page: Page, product: Keydeck, secret: str, status: int, words: str, code: str, remedy: str
) -> None:
    shop = Shop.open(product, f"errs-{status}", secret)
    if code == "key_invalid":
        change_at_provider(product, secret, "kill")
    reply = shop.call()
    assert reply.status == status
    assert reply.json()["status"] == "error"
    assert words in reply.json()["message"]
    call = recorded(product, reply)
    assert (call["outcome"], call["code"], call["status"]) == ("key_error", code, status)
    page.goto(f"/calls/{reply.headers['x-request-id']}/")
    main = page.locator("main")
    expect(main).to_contain_text("Key error")
    expect(main).to_contain_text(f"HTTP {status}")
    expect(main).to_contain_text("fault: provider key")
    expect(main).to_contain_text(words)
    expect(main).to_contain_text(remedy)
    main.get_by_role("link", name="Main account").click()
    expect(page.locator("[data-region=aside]")).to_contain_text("Key error")


def test_a_provider_that_breaks_off_is_recorded_too(page: Page, product: Keydeck) -> None:
    shop = Shop.open(product, "unreached", "sandbox-reset-shop")
    reply = shop.call()
    assert reply.status == 502
    assert reply.json()["error"]["code"] == "upstream_unreachable"
    assert recorded(product, reply)["outcome"] == "network_error"
    page.goto(f"/calls/{reply.headers['x-request-id']}/")
    expect(page.locator("main")).to_contain_text("Network error")
    expect(page.locator("main")).to_contain_text("The connection broke after the call was sent")
