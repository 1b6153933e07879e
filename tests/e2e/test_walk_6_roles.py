"""A colleague is invited, chooses a password and works with what a developer may do."""

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.walker import Shop, Silence, copied, dialog
from tests.live import Keydeck

pytestmark = [pytest.mark.browser, pytest.mark.live, pytest.mark.xdist_group("walk")]
DEVELOPER = "dev@example.com"
CHOSEN = "a few random words of a developer"


def invited(page: Page, shop: Shop) -> str:
    """The owner adds the developer, and gets the link to hand over."""
    page.goto(f"{shop.page}people/")
    box = dialog(page, page.get_by_role("link", name="Add a member"))
    box.get_by_label("E-mail address").fill(DEVELOPER)
    box.get_by_label("Role").select_option("developer")
    box.get_by_role("button", name="Add").click()
    expect(box.get_by_role("heading", name=f"A link for {DEVELOPER}")).to_be_visible()
    return copied(page, box.get_by_role("button", name="Copy"))


def arrived(page: Page, link: str) -> None:
    page.goto(link)
    page.get_by_label("New Password", exact=True).fill(CHOSEN)
    page.get_by_label("New Password (again)").fill(CHOSEN)
    page.get_by_role("button", name="Save the password").click()
    expect(page.locator("h1")).to_have_text("Overview")


def test_an_invited_developer_copies_app_keys_and_leaves_provider_keys_alone(
    page: Page,
    shop: Shop,
    product: Keydeck,
    visitor: Page,
    silence: Silence,
) -> None:
    other = Shop.open(product, "somebody-elses")
    link = invited(page, shop)
    theirs = visitor
    arrived(theirs, link)
    theirs.goto(link)
    expect(theirs.locator("h1")).to_have_text("This link no longer works")
    theirs.goto("/applications/")
    expect(theirs.get_by_role("link", name=shop.slug.capitalize(), exact=True)).to_be_visible()
    assert "somebody-elses" not in theirs.content()

    theirs.goto(shop.provider_key_page)
    expect(theirs.get_by_role("button", name="Check now")).to_be_visible()
    expect(theirs.get_by_role("link", name="Rotate")).to_have_count(0)
    expect(theirs.get_by_role("button", name="More")).to_have_count(0)
    theirs.goto(shop.app_key_page)
    assert copied(theirs, theirs.get_by_role("button", name="Copy the key")) == shop.text
    expect(theirs.get_by_role("link", name="Change")).to_have_count(0)

    silence.expect(403)
    assert theirs.goto(f"{shop.provider_key_page}rotate/").status == 403
    silence.expect(404)
    for address in (other.page, other.app_key_page, other.provider_key_page):
        assert theirs.goto(address).status == 404
    theirs.goto(f"/calls/?application={other.slug}")
    expect(theirs.locator("main")).not_to_contain_text(other.slug.capitalize())

    theirs.goto("/")
    theirs.get_by_role("button", name="Sign out").click()
    expect(theirs.locator("h1")).to_have_text("Sign in")
    assert theirs.goto(shop.page).url.endswith(f"/accounts/login/?next={shop.page}")
