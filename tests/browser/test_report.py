"""The report in a real browser: what a lawyer sees, types, prints, and hears from a screen reader."""

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import Watch

OBJECTS = (
    1_500 * 2 - 2 * (30 * 2 + 3) + 1
)  # media and sidecar; two of 50 and one of 500 are not there; one odd


def _list(page: Page, name: str = "objects") -> Locator:
    return page.locator(f'[data-list="{name}"]')


def _search(page: Page, text: str) -> Locator:
    objects = _list(page)
    objects.get_by_label("Search ids, names, digests").fill(text)
    return objects


def _first(objects: Locator, column: int) -> str:
    return objects.locator("tbody tr:not(.space)").first.locator("td").nth(column).inner_text()


def test_the_page_is_silent_and_asks_for_nothing(watched: tuple[Page, Watch]) -> None:
    page, watch = watched

    _search(page, "opus")
    _list(page).get_by_role("button", name="Size").click()

    expect(page.locator("html")).to_have_attribute("data-ready", "yes")
    assert watch.found == []


def test_a_script_that_got_in_would_not_run(page: Page) -> None:
    page.evaluate(
        "() => { const made = document.createElement('script'); made.textContent = 'window.broken = 3';"
        " document.body.append(made); }"
    )

    assert page.evaluate("window.broken") is None


def test_a_name_that_means_harm_is_a_name(page: Page) -> None:
    objects = _search(page, "onerror=")

    expect(objects.get_by_role("status")).to_have_text(f"1 of {OBJECTS:,} objects")
    objects.locator("tbody button").click()
    key = page.get_by_role("dialog").locator("dd").first
    assert "</script><script>window.broken = 1</script><img src=x" in key.inner_text()
    assert "⟨U+202E⟩RTL \U0001f600.json" in key.inner_text()
    assert page.evaluate("window.broken") is None
    assert page.locator("img").count() == 0


def test_search_finds_ids_names_and_digests_in_any_order_of_words(page: Page) -> None:
    objects = _list(page)
    objects.locator("tbody button").nth(4).click()
    told = dict(
        zip(
            page.get_by_role("dialog").locator("dt").all_inner_texts(),
            page.get_by_role("dialog").locator("dd").all_inner_texts(),
            strict=True,
        )
    )
    page.keyboard.press("Escape")

    for text in (told["SHA-256"], told["Version"].upper(), f"{told['SHA-256'][:9]} {told['Recording'][:9]}"):
        _search(page, text)
        expect(objects.get_by_role("status")).to_have_text(f"1 of {OBJECTS:,} objects")
    _search(page, "nothing is called so")
    expect(objects.locator("tbody")).to_have_text("Nothing is found.")
    _search(page, "")
    expect(objects.get_by_role("status")).to_have_text(f"{OBJECTS:,} objects")


def test_filters_and_search_hold_together(page: Page) -> None:
    objects = _list(page)

    objects.get_by_label("Medium").select_option(label="Chat")
    objects.get_by_label("Kind").select_option(label="Sidecar")

    count = int(objects.get_by_role("table").get_attribute("aria-rowcount") or 0) - 1
    assert 0 < count < OBJECTS / 2
    expect(objects.get_by_role("status")).to_have_text(f"{count:,} of {OBJECTS:,} objects")
    shown = objects.locator("tbody tr:not(.space)")
    assert {row.locator("td").nth(2).inner_text() for row in shown.all()} == {"Chat"}
    assert {row.locator("td").nth(3).inner_text() for row in shown.all()} == {"Sidecar"}


def test_a_column_sorts_both_ways_and_says_so(page: Page) -> None:
    objects = _list(page)
    heading = objects.get_by_role("columnheader", name="Hold lag")

    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    least = _first(objects, 7)
    heading.get_by_role("button").click()

    expect(heading).to_have_attribute("aria-sort", "descending")
    assert re.fullmatch(r"\d+ ms", least)
    assert re.fullmatch(r"[\d.]+ s", _first(objects, 7))
    assert objects.locator("th[aria-sort]").count() == 1


def test_only_what_is_seen_is_in_the_page_and_the_rest_is_counted(page: Page) -> None:
    objects = _list(page)
    rows = objects.locator("tbody tr:not(.space)")
    assert rows.count() < 60

    objects.locator(".scroller").evaluate("scroller => { scroller.scrollTop = scroller.scrollHeight; }")

    expect(rows.last).to_have_attribute("aria-rowindex", str(OBJECTS + 1))
    expect(objects.get_by_role("table")).to_have_attribute("aria-rowcount", str(OBJECTS + 1))
    assert rows.count() < 60


def test_the_keyboard_goes_from_object_to_object(page: Page) -> None:
    objects = _list(page)
    _search(page, "").get_by_label("Search ids, names, digests").focus()
    for _ in range(6 + objects.locator("th").count()):  # four filters, the list, its headings
        page.keyboard.press("Tab")
    focused = page.locator(":focus")
    expect(focused).to_have_text("1")

    page.keyboard.press("ArrowDown")
    expect(focused).to_have_text("2")
    page.keyboard.press("End")
    expect(focused).to_have_text(f"{OBJECTS:,}")
    expect(focused).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text(f"Object {OBJECTS:,}")
    page.keyboard.press("Escape")

    expect(focused).to_have_text(f"{OBJECTS:,}")
    page.keyboard.press("Home")
    expect(focused).to_have_text("1")


def test_focus_is_never_lost_when_its_row_scrolls_away(page: Page) -> None:
    objects = _list(page)
    objects.locator("tbody button").first.focus()

    objects.locator(".scroller").evaluate("scroller => { scroller.scrollTop = 30000; }")

    expect(objects.locator(".scroller")).to_be_focused()
    page.keyboard.press("Tab")
    assert objects.locator("tbody button[tabindex='0']").count() == 1


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_axe_has_nothing_to_say(browser: Browser, report: Path, scheme: str, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type] # one of its words
    page.goto(report.as_uri())
    for folded in page.locator("details:not([open]) > summary").all():
        folded.click()

    shown = Axe().run(page)
    page.locator('[data-list="objects"] tbody button').first.click()
    with_dialog = Axe().run(page)
    page.close()

    assert shown.violations_count == 0, shown.generate_report()
    assert with_dialog.violations_count == 0, with_dialog.generate_report()


@pytest.mark.parametrize("width", [320, 768, 1280, 2200])
def test_the_page_fits_its_window(browser: Browser, report: Path, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(report.as_uri())

    scrolled = page.evaluate("document.documentElement.scrollWidth")
    page.close()

    assert scrolled <= width


def test_on_paper_stand_the_first_of_what_is_found_and_how_many_there_are(page: Page) -> None:
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    paper = _list(page).locator(".printed")

    expect(paper).to_be_visible()
    expect(_list(page).locator(".scroller")).to_be_hidden()
    assert paper.locator("tbody tr").count() == 1_000
    assert paper.locator("caption").inner_text() == f"The first 1,000 of {OBJECTS:,} objects."
    assert page.locator("details:not([open])").count() == 0
    assert page.pdf().startswith(b"%PDF")


def test_without_scripts_the_page_says_what_it_cannot_show(browser: Browser, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())

    expect(page.get_by_role("heading", name="Summary")).to_be_visible()
    expect(page.get_by_text("This list needs JavaScript").last).to_be_visible()
    expect(page.locator(".figures")).to_contain_text("1,500")
    context.close()
