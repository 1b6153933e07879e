"""In a real browser: one click fills the clipboard, dialogs hold the forms, CSP breaks nothing."""

from collections.abc import Iterator

import pytest
from django.urls import reverse
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from keys.models import AppKey, Application, ProviderKey, User
from tests.chromium import chromium
from tests.factories import PASSWORD
from tests.live import PATIENCE
from tests.pages.conftest import SECRET, page_of
from tests.upstream import Upstream

WAIT = 1000 * PATIENCE  # milliseconds
expect.set_options(timeout=WAIT)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("browser"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for a module's tests. The rows are read between the steps of its loop, not inside."""
    with pytest.MonkeyPatch.context() as patch, chromium() as running:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield running


@pytest.fixture
def context(browser: Browser, live_server: LiveServer) -> Iterator[BrowserContext]:
    opened = browser.new_context(base_url=live_server.url.replace("127.0.0.1", "localhost"))
    opened.grant_permissions(["clipboard-read", "clipboard-write"])
    opened.set_default_timeout(WAIT)
    yield opened
    opened.close()


@pytest.fixture
def signed_in(context: BrowserContext, owner: User, settings: object) -> Page:
    """The owner's browser."""
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1"]  # type: ignore[attr-defined]
    opened = context.new_page()
    opened.goto("/accounts/login/")
    opened.fill("[name=login]", owner.email)
    opened.fill("[name=password]", PASSWORD)
    opened.click("text=Sign in >> nth=-1")
    expect(opened.locator("h1")).to_have_text("Overview")
    return opened


@pytest.fixture
def page(signed_in: Page) -> Iterator[Page]:
    """The same; the console must stay silent."""
    complaints: list[str] = []
    signed_in.on(
        "console",
        lambda said: (
            complaints.append(said.text)
            if said.type == "error" and "422" not in said.text
            else None
        ),
    )
    signed_in.on("pageerror", lambda error: complaints.append(str(error)))
    yield signed_in
    assert complaints == []


def clipboard(page: Page) -> str:
    return str(page.evaluate("navigator.clipboard.readText()"))


def test_one_click_copies_the_key_a_line_or_a_snippet(
    page: Page, app_key: AppKey, provider_key: ProviderKey
) -> None:
    page.goto(page_of(app_key))
    assert app_key.plaintext not in page.content()
    page.click("text=Copy the key")
    expect(page.locator("text=Copied >> nth=0")).to_be_visible()
    assert clipboard(page) == app_key.plaintext
    page.click("[aria-label='Copy: Shell']")
    expect(page.locator("[aria-label='Copy: Shell']")).to_have_text("Copied")
    assert clipboard(page) == f"export MODELSLAB_API_KEY='{app_key.plaintext}'"
    page.get_by_role("tab", name="PHP", exact=True).click()
    page.click("#php >> text=Copy with the key")
    expect(page.locator("#php >> text=Copied")).to_be_visible()
    assert clipboard(page).startswith("<?php\n")
    assert app_key.plaintext in clipboard(page)
    page.get_by_role("tab", name="Go", exact=True).click()
    page.click("#go >> text=Copy, reading")
    expect(page.locator("#go >> text=Copied")).to_be_visible()
    assert 'os.Getenv("MODELSLAB_API_KEY")' in clipboard(page)
    assert app_key.plaintext not in page.content()


def test_a_refused_clipboard_shows_the_text_selected(
    page: Page, app_key: AppKey, provider_key: ProviderKey
) -> None:
    page.add_init_script("navigator.clipboard.writeText = () => Promise.reject(new Error('no'))")
    page.goto(page_of(app_key))
    page.click("text=Copy the key")
    box = page.locator("#copy-fallback textarea")
    expect(box).to_have_value(app_key.plaintext)
    selected = "a => a.selectionEnd - a.selectionStart"
    assert box.evaluate(selected) == len(app_key.plaintext)
    page.keyboard.press("Escape")
    expect(box).to_have_value("")


def test_a_dialog_that_only_asks_puts_the_focus_on_the_way_out(page: Page, app_key: AppKey) -> None:
    page.goto(page_of(app_key))
    page.get_by_role("button", name="More").click()
    page.get_by_role("link", name="Disable").click()
    expect(page.locator("#dialog").get_by_role("link", name="Not now")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#dialog")).to_be_hidden()


def test_a_dialog_rotates_a_key_and_says_what_is_wrong_inside_itself(
    page: Page, provider: Upstream, provider_key: ProviderKey
) -> None:
    page.goto(page_of(provider_key))
    page.click("a:has-text('Rotate')")
    dialog = page.locator("#dialog")
    expect(dialog.locator("[name=secret]")).to_be_focused()
    expect(dialog.locator("[name=overlap_hours]")).to_be_hidden()
    dialog.locator("[name=overlap]").select_option("custom")
    dialog.locator("[name=overlap_hours]").fill("5")
    dialog.locator("[name=secret]").fill("two words")
    # As a password manager does: a style of its own must not be carried over against the CSP.
    dialog.locator("[name=secret]").evaluate("field => { field.style.caretColor = 'red'; }")
    dialog.locator("button:has-text('Test and rotate')").click()
    expect(dialog.locator(".invalid-feedback")).to_contain_text("whitespace")
    expect(dialog.locator("[name=overlap_hours]")).to_have_value("5")
    dialog.locator("[name=secret]").fill("a-new-secret-of-the-account")
    dialog.locator("button:has-text('Test and rotate')").click()
    expect(page.locator("text=Two secrets work side by side")).to_be_visible()
    expect(page.locator("a:has-text('Rotate')")).to_have_count(0)  # one is open
    page.click("a:has-text('Describe')")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_a_dialog_says_when_its_form_was_not_answered(
    signed_in: Page, provider_key: ProviderKey
) -> None:
    page = signed_in
    page.goto(page_of(provider_key))
    page.click("a:has-text('Rotate')")
    dialog = page.locator("#dialog")
    dialog.locator("[name=secret]").fill("a-new-secret-of-the-account")
    page.route("**/rotate/", lambda route: route.fulfill(status=500, body="<h1>Error</h1>"))
    dialog.locator("button:has-text('Test and rotate')").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Keydeck failed (500)")
    page.unroute("**/rotate/")
    page.route("**/rotate/", lambda route: route.abort())
    dialog.locator("button:has-text('Test and rotate')").click()
    expect(dialog.get_by_role("alert")).to_contain_text("Keydeck didn’t answer")
    expect(dialog.locator("[name=secret]")).to_have_value("a-new-secret-of-the-account")


def test_a_field_that_is_not_asked_for_does_not_hold_its_form_back(
    page: Page, app_key: AppKey, provider_key: ProviderKey
) -> None:
    page.goto(page_of(app_key))
    page.click("a:has-text('Rotate')")
    dialog = page.locator("#dialog")
    dialog.locator("[name=overlap]").select_option("custom")
    dialog.locator("[name=overlap_hours]").fill("-5")
    dialog.locator("[name=overlap]").select_option(label="1 hour")
    dialog.locator("button:has-text('Rotate')").click()
    expect(page.locator("text=Two secrets work side by side")).to_be_visible()


def test_a_form_puts_the_cursor_where_it_asks(page: Page) -> None:
    page.goto("/connect/")
    page.locator("main form").evaluate("form => { form.noValidate = true; }")
    page.click("button:has-text('Connect')")
    expect(page.locator("[name=application]")).to_be_focused()
    page.goto("/applications/")
    page.click("a:has-text('New application')")
    dialog = page.locator("#dialog")
    dialog.locator("[name=name]").fill("Second shop")
    dialog.locator("[name=slug]").fill("second shop")
    dialog.locator("button.btn-primary").click()
    expect(dialog.locator(".invalid-feedback")).to_contain_text("Use only letters")
    page.wait_for_function("!document.querySelector('.htmx-settling, .htmx-added')")
    assert page.evaluate("document.activeElement.name") == "slug"
    page.context.clear_cookies()
    page.goto("/accounts/login/")
    expect(page.locator("[name=login]")).to_be_focused()
    page.fill("[name=login]", "nobody@example.com")
    page.fill("[name=password]", "wrong")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("[name=password]")).to_be_focused()


def test_connecting_lands_on_the_snippet_with_the_verdict(page: Page, provider: Upstream) -> None:
    page.goto("/connect/?application=shop")
    page.fill("[name=secret]", SECRET)
    page.click("button:has-text('Connect')")
    expect(page.locator("text=is live: ModelsLab accepts it")).to_be_visible()
    expect(page.locator("#code")).to_be_in_viewport()
    expect(page.locator("#curl")).to_contain_text("text2img")
    assert SECRET not in page.content()


def test_the_theme_is_remembered_and_set_before_the_first_paint(page: Page) -> None:
    root = page.locator("html")
    before = root.get_attribute("data-bs-theme")
    page.click("[data-theme-toggle]:visible")
    after = root.get_attribute("data-bs-theme")
    assert {before, after} == {"light", "dark"}
    page.goto("/settings/")
    assert root.get_attribute("data-bs-theme") == after


def test_times_are_said_in_the_readers_zone(page: Page, provider_key: ProviderKey) -> None:
    page.goto(page_of(provider_key))
    said = page.locator("main time").first
    expect(said).to_have_text("just now")
    assert said.get_attribute("title")


@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_is_wider_than_its_screen_whatever_the_names(
    page: Page, application: Application, provider_key: ProviderKey, app_key: AppKey, width: int
) -> None:
    for named in (application, provider_key, app_key):
        type(named).objects.filter(pk=named.pk).update(name=f"{type(named).__name__:W<100}")
    page.set_viewport_size({"width": width, "height": 800})
    shop = reverse("application", args=[application.slug])
    keys = (page_of(provider_key), page_of(app_key), page_of(provider_key, "revoke"))
    widths = {}
    for path in (
        *("/", "/applications/", "/connect/", "/checks/", "/audit/", "/settings/", "/hygiene/"),
        *(shop, f"{shop}people/", f"{shop}import/", *keys),
    ):
        page.goto(path)
        widths[path] = page.evaluate("document.documentElement.scrollWidth")
    assert {path: wide for path, wide in widths.items() if wide > width} == {}
