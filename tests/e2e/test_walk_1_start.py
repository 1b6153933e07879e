"""First sight: signing in, the demo's charts, and the forms that take keys in."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.walker import Shop, Silence, call, dialog, drawn, on_chart, sign_in
from tests.live import ADMIN, PASSWORD, Keydeck

pytestmark = [pytest.mark.browser, pytest.mark.live, pytest.mark.xdist_group("walk")]


def test_a_new_user_signs_in_and_finds_traffic_and_what_to_do_next(visitor: Page) -> None:
    page = visitor
    page.goto("/")
    expect(page.locator("h1")).to_have_text("Sign in")
    sign_in(page, ADMIN, PASSWORD)
    expect(page.locator("h1")).to_have_text("Overview")
    drawn(page)
    assert on_chart(page, "ok") > 500
    expect(page.get_by_role("region", name="Needs attention")).to_contain_text(
        "Demo · Trial account is exhausted"
    )
    next_steps = page.get_by_role("region", name="What to do next")
    expect(next_steps.get_by_role("link", name="Connect a provider")).to_be_visible()
    page.get_by_role("link", name="Applications").click()
    page.get_by_role("link", name="Demo").click()
    page.get_by_role("link", name="Nightly batch").click()
    drawn(page)
    assert 0 < on_chart(page, "key_error") < on_chart(page, "ok")


def test_one_form_makes_both_keys_and_lands_on_the_snippet(page: Page, product: Keydeck) -> None:
    page.goto("/applications/")
    box = dialog(page, page.get_by_role("link", name="New application"))
    box.get_by_label("Name", exact=True).fill("Corner shop")
    box.get_by_role("button", name="Create it").click()
    expect(page.locator("h1")).to_have_text("Corner shop")
    page.get_by_role("link", name="Connect a provider").first.click()
    page.get_by_label("Provider", exact=True).select_option("ModelsLab")
    page.get_by_label("Provider key").fill("  sandbox-live-corner ")
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_text("is live: ModelsLab accepts it")).to_be_visible()
    expect(
        page.get_by_text("Spaces or line breaks around the secret were taken off")
    ).to_be_visible()
    expect(page.locator("#code")).to_be_in_viewport()
    address = f"http://localhost:{product.port}/gateway/modelslab"
    expect(page.locator("#curl")).to_contain_text(f"{address}/api/v6/images/text2img")
    assert "sandbox-live-corner" not in page.content()


def test_a_wrong_secret_reads_rejected_at_once_and_a_known_one_names_its_key(
    page: Page, shop: Shop, silence: Silence
) -> None:
    page.goto(shop.page)
    box = dialog(page, page.get_by_role("link", name="Provider key", exact=True))
    box.get_by_label("Provider", exact=True).select_option("ModelsLab")
    box.get_by_label("Name", exact=True).fill("Mistyped")
    box.get_by_label("Secret").fill(shop.secret)
    silence.expect(409)
    silence.expect(422)
    box.get_by_role("button", name="Add the key").click()
    expect(box.get_by_role("alert")).to_contain_text("Main account")
    expect(box.get_by_role("link", name="Open the existing key")).to_be_visible()
    box.get_by_label("Secret").fill("sandbx-live-typo")
    box.get_by_role("button", name="Add the key").click()
    expect(page.get_by_role("heading", name="Dead: rejected by the provider")).to_be_visible()
    expect(page.get_by_role("link", name="Replace the secret")).to_be_visible()
    assert "sandbx-live-typo" not in page.content()


def test_a_provider_of_ones_own_is_described_and_connected(page: Page, product: Keydeck) -> None:
    page.goto("/providers/")
    box = dialog(page, page.get_by_role("link", name="Describe a provider"))
    box.get_by_label("Name", exact=True).fill("Painter")
    box.get_by_label("Short name").fill("painter")
    box.get_by_label("Base URL").fill(product.sandbox_url)
    box.get_by_label("Where the credential goes").select_option("bearer")
    box.get_by_label("Free probe").select_option("GET")
    box.get_by_label("Path of the probe").fill("/v1/models")
    box.get_by_role("button", name="Save the provider").click()
    expect(page.locator("h1")).to_have_text("Connect a provider")
    expect(page.get_by_label("Provider", exact=True)).to_have_value("painter")
    page.get_by_label("Application").select_option("Demo")
    page.get_by_label("Provider key").fill("sandbox-live-painter")
    page.get_by_role("button", name="Connect").click()
    expect(page.get_by_text("is live: Painter accepts it")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/applications/demo/app-keys/"))
    expect(page.locator("#python")).to_contain_text("/gateway/painter", use_inner_text=False)


def test_no_key_and_a_wrong_key_are_told_apart(product: Keydeck, shop: Shop) -> None:
    for text, code, words in (
        ("", "key_required", "API key required"),
        (shop.text[:-1] + "x", "invalid_key", "Invalid API key"),
    ):
        reply = call(product, text)
        body = reply.json()
        assert reply.status == 401
        assert (body["status"], body["message"]) == ("error", words)
        assert body["error"] == {
            "message": words,
            "type": "authentication_error",
            "code": code,
        }
        assert body["request_id"] == reply.headers["x-request-id"]
