"""What a person sees in a browser: the running product, its gateway, its charts."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.chromium import chromium
from tests.live import ADMIN, PASSWORD, PATIENCE, SLACK, Keydeck, ask, wait_for

WAIT = 1000 * PATIENCE  # milliseconds
expect.set_options(timeout=WAIT)
pytestmark = [pytest.mark.browser, pytest.mark.live, pytest.mark.xdist_group("live")]
SOON = 3.0 * SLACK  # seconds from a call to its place on the chart
OK_OF_NOW = "c => c.kdData ? c.kdData.outcomes[0].data.at(-1) : -1"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def signed_in(browser: Browser, keydeck: Keydeck) -> Any:
    context = browser.new_context(base_url=keydeck.url)
    context.set_default_timeout(WAIT)
    page = context.new_page()
    page.goto("/accounts/login/")
    page.fill("input[type=email]", ADMIN)
    page.fill("input[type=password]", PASSWORD)
    page.press("input[type=password]", "Enter")
    page.wait_for_url(f"{keydeck.url}/")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def complaints() -> list[str]:
    return []


DESKTOP, PHONE = ("light", 1280), ("dark", 390)
on_both = pytest.mark.parametrize(
    "page", [DESKTOP, PHONE], ids=["light desktop", "dark phone"], indirect=True
)


@pytest.fixture
def page(
    request: pytest.FixtureRequest,
    browser: Browser,
    signed_in: Any,
    keydeck: Keydeck,
    complaints: list[str],
) -> Iterator[Page]:
    """A signed-in page; the test fails when the browser had something to complain about."""
    theme, width = getattr(request, "param", DESKTOP)
    context = browser.new_context(
        base_url=keydeck.url,
        storage_state=signed_in,
        color_scheme=theme,
        viewport={"width": width, "height": 900},
        timezone_id="Asia/Kolkata",
    )
    context.set_default_timeout(WAIT)
    made = context.new_page()
    made.on("console", lambda said: said.type == "error" and complaints.append(said.text))
    made.on("pageerror", lambda error: complaints.append(str(error)))
    yield made
    context.close()
    assert complaints == []


def text2img(keydeck: Keydeck, key: str) -> int:
    body = {"key": key, "prompt": "a fox"}
    return ask("POST", f"{keydeck.url}/gateway/sandbox/api/v6/images/text2img", body).status


def fits(page: Page) -> bool:
    """Nothing reaches beyond the right edge, once all is laid out."""
    page.wait_for_load_state("networkidle")
    too_wide = page.evaluate(
        "document.documentElement.scrollWidth > innerWidth"
        " ? [...document.querySelectorAll('body *')]"
        ".filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML)"
        " : []"
    )
    return not too_wide or pytest.fail("\n".join(text[:200] for text in too_wide))


def fits_live(page: Page) -> bool:
    """The same of a page whose network is never idle."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def drawn(page: Page) -> None:
    page.locator("[data-usage-panel][data-drawn]").wait_for()


@on_both
def test_a_call_made_now_is_on_the_chart_within_three_seconds(page: Page, keydeck: Keydeck) -> None:
    slug, key = keydeck.connect()
    page.goto(f"/applications/{slug}/")
    expect(page.get_by_text("No calls yet")).to_be_visible()
    for number in (1, 2):
        assert text2img(keydeck, key) == 200
        answered = time.monotonic()
        canvas = page.locator("canvas[data-chart=requests]")
        wait_for(
            lambda number=number, canvas=canvas: (
                canvas.count() and canvas.evaluate(OK_OF_NOW) == number
            ),
            SOON,
            "the call on the chart",
        )
        assert time.monotonic() - answered < SOON
    expect(page.locator("[data-region=tiles]")).to_contain_text("0 errors of 2 answered")
    expect(page.locator("[data-region=latest] tbody tr")).to_have_count(2)
    assert fits(page)


@on_both
def test_the_range_is_chosen_in_place_and_kept_in_the_address(page: Page) -> None:
    page.goto("/")
    drawn(page)
    with page.expect_response("**/usage/overview/?range=7d"):
        page.get_by_role("group", name="Range").get_by_text("7d").click()
    page.wait_for_url("**/?range=7d")
    page.reload()
    drawn(page)
    expect(page.get_by_role("group", name="Range").locator("[aria-current]")).to_have_text("7d")
    assert fits(page)


def test_the_legend_hides_and_shows_an_outcome_by_keyboard(page: Page) -> None:
    page.goto("/?range=30d")
    drawn(page)
    button = page.get_by_role("group", name="Outcomes shown").get_by_text("OK", exact=True)
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "false")
    canvas = page.locator("canvas[data-chart=requests]")
    assert canvas.evaluate("c => c.kdChart.isDatasetVisible(0)") is False


def test_pointing_at_a_bar_tells_its_figures(page: Page, keydeck: Keydeck) -> None:
    slug, key = keydeck.connect()
    text2img(keydeck, key)
    page.goto(f"/applications/{slug}/?range=30d")
    drawn(page)
    canvas = page.locator("canvas[data-chart=requests]")
    place = canvas.evaluate(
        "c => { const bar = c.kdChart.getDatasetMeta(0).data.at(-1); return [bar.x, bar.y]; }"
    )
    canvas.hover(position={"x": place[0], "y": place[1] + 2})
    told = canvas.evaluate("c => [...c.kdChart.tooltip.title, c.kdChart.tooltip.body[0].lines[0]]")
    assert told[1].strip() == "OK: 1"
    # The day of the reader, whose clock is 5:30 h ahead of UTC.
    assert told[0] == page.evaluate(
        "new Date().toLocaleDateString(undefined,"
        " {weekday: 'short', month: 'short', day: 'numeric', year: 'numeric'})"
    )


def test_the_figures_can_be_read_as_a_table(page: Page, keydeck: Keydeck) -> None:
    slug, key = keydeck.connect()
    text2img(keydeck, key)
    page.goto(f"/usage/panel/?application={slug}")
    page.get_by_text("Figures as a table").click()
    expect(page.locator(".kd-figures-table tbody tr")).to_have_count(1)


def test_a_hidden_tab_asks_for_nothing(page: Page) -> None:
    page.clock.install()
    asked: list[str] = []
    page.on("request", lambda made: "/usage/data/" in made.url and asked.append(made.url))
    page.goto("/")
    drawn(page)
    with page.expect_response("**/usage/data/**"):
        page.clock.run_for(2500)
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    before = len(asked)
    page.clock.run_for(60_000)
    assert len(asked) == before
    page.evaluate("delete document.hidden")
    with page.expect_response("**/usage/data/**"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


@on_both
def test_the_live_tail_shows_a_call_without_a_reload(page: Page, keydeck: Keydeck) -> None:
    slug, key = keydeck.connect()
    page.goto(f"/calls/?application={slug}")
    page.get_by_label("Live").check()
    page.wait_for_url("**live=on**")
    rows = page.locator("#calls tbody a[id]")
    expect(page.locator("[data-said]")).to_contain_text("Live: calls show", timeout=SOON * 1000)
    expect(page.get_by_text("No call yet that matches")).to_be_visible()
    text2img(keydeck, key)
    expect(rows).to_have_count(1, timeout=SOON * 1000)
    expect(page.locator("[data-none]")).to_have_count(0)
    assert fits_live(page)
    # Hidden, it lets its connection go; what came meanwhile is there once it is seen again.
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    text2img(keydeck, key)
    text2img(keydeck, key)
    page.evaluate("delete document.hidden")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(rows).to_have_count(3, timeout=SOON * 1000)
    rows.first.click()
    expect(page.get_by_text("Through these keys")).to_be_visible()
    assert fits(page)


def test_the_live_tail_respects_the_filter(page: Page, keydeck: Keydeck) -> None:
    slug, key = keydeck.connect()
    page.goto(f"/calls/?application={slug}&outcome=caller_error&live=on")
    expect(page.locator("[data-said]")).to_contain_text("Live: calls show", timeout=SOON * 1000)
    text2img(keydeck, key)
    path = "/gateway/sandbox/api/v6/images/text2img"
    ask("POST", f"{keydeck.url}{path}", {"key": key})  # without a prompt
    outcomes = page.locator("#calls tbody .kd-outcome")
    expect(outcomes).to_have_text(["Caller error"], timeout=SOON * 1000)


@on_both
def test_the_calls_that_match_come_as_a_file(page: Page) -> None:
    page.goto("/calls/?range=30d&outcome=key_error")
    with page.expect_download() as started:
        page.get_by_role("link", name="CSV").click()
    path = started.value.path()
    lines = path.read_text().splitlines()
    assert lines[0].startswith("request_id,at,source,application")
    assert len(lines) > 1
    assert all(",key_error," in line for line in lines[1:])


def test_a_moment_is_chosen_by_the_readers_own_clock(page: Page) -> None:
    page.goto("/calls/")
    page.get_by_text("More filters").click()
    page.get_by_label("From", exact=True).fill("2026-01-31T12:00")
    page.get_by_label("From", exact=True).blur()
    page.wait_for_url("**since=2026-01-31T06%3A30%3A00Z**")  # Kolkata is 5:30 h ahead
    expect(page.get_by_label("From", exact=True)).to_have_value("2026-01-31T12:00")
    expect(page.locator(".kd-chip time")).to_contain_text("Jan 31, 12:00")
    assert fits(page)


@on_both
def test_filtering_keeps_the_choice_in_the_address(page: Page) -> None:
    page.goto("/calls/?range=30d")
    page.get_by_label("Outcome", exact=True).select_option("key_error")
    page.wait_for_url("**outcome=key_error**")
    expect(page.get_by_label("Outcome", exact=True)).to_have_value("key_error")
    expect(page.locator("#calls .kd-outcome").first).to_have_text("Key error")
    assert fits(page)


@on_both
def test_the_ledger_says_that_nothing_got_lost(page: Page) -> None:
    page.goto("/ledger/")
    expect(page.locator("main")).to_contain_text("exactly once")
    assert fits(page)


@on_both
def test_the_latest_calls_end_where_their_card_does(page: Page, keydeck: Keydeck) -> None:
    del keydeck
    page.goto("/")
    card = page.locator(".card", has=page.locator("h3", has_text="Latest calls"))
    expect(card.locator("tbody tr").first).to_be_visible()
    empty = card.evaluate(
        "card => card.getBoundingClientRect().bottom"
        " - card.querySelector('table').getBoundingClientRect().bottom"
    )
    assert empty < 12


@pytest.mark.parametrize("page", [("dark", 1280)], ids=["dark desktop"], indirect=True)
def test_on_paper_a_panel_is_light_and_without_the_menu(page: Page, keydeck: Keydeck) -> None:
    slug, key = keydeck.connect()
    text2img(keydeck, key)
    page.goto(f"/applications/{slug}/")
    drawn(page)
    expect(page.locator(".kd-sidebar")).to_be_visible()
    page.emulate_media(media="print")
    expect(page.locator(".kd-sidebar")).to_be_hidden()
    expect(page.locator(".kd-usage-head .btn-group")).to_be_hidden()
    expect(page.locator("h1")).to_be_visible()
    page.emulate_media(media="screen")
    chart = page.locator("canvas[data-chart=requests]")
    ink = (
        "async (c, name) => { dispatchEvent(new Event(name)); await null;"
        " return [c.kdChart.options.scales.y.ticks.color, c.kdChart.width]; }"
    )
    assert chart.evaluate(ink, "beforeprint") == ["#5c6878", 660]
    assert chart.evaluate(ink, "afterprint")[0] == "#a3afc2"
