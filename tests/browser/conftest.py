"""A real browser for the report, where there is one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, expect, sync_playwright

from holdfast.evidence.report import report_chunks
from local.screenshot import BROWSERS, browser_path
from tests.unit.evidence.sealed import Story

expect.set_options(timeout=30_000)  # a busy machine is no defect
HOSTILE = (
    "</script><script>window.broken = 1</script><img src=x onerror='window.broken = 2'>"
    "\u202eRTL \U0001f600.json"
)


@pytest.fixture(scope="module")  # its event loop must not run on under other tests
def browser() -> Iterator[Browser]:
    found = browser_path()
    if found is None:
        pytest.skip(
            f"no browser: none of {', '.join(BROWSERS)} is on PATH (make test tries to install chromium)"
        )
    with sync_playwright() as playwright:
        # As root, Chromium runs without its sandbox or not at all; it opens our own file only.
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Some thousand objects, one of them with a name that means harm."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    matter = Story(recordings=1_500, title=f"Order {HOSTILE}", odd_names=[HOSTILE]).matter()
    path.write_bytes(b"".join(report_chunks(matter)))
    return path


class Watch:
    """What a page did that it should not: errors, words on the console, requests for anything but itself."""

    def __init__(self, page: Page, path: Path) -> None:
        self.found: list[str] = []
        self._own = path.as_uri()
        page.on("console", lambda message: self.found.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: self.found.append(f"error: {error}"))
        page.on("request", self._request)
        page.on("dialog", lambda dialog: self.found.append(f"dialog: {dialog.message}"))

    def _request(self, request: Request) -> None:
        if request.url != self._own:
            self.found.append(f"request: {request.url}")


@pytest.fixture
def watched(browser: Browser, report: Path) -> Iterator[tuple[Page, Watch]]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    watch = Watch(page, report)
    page.goto(report.as_uri())
    yield page, watch
    page.close()


@pytest.fixture
def page(watched: tuple[Page, Watch]) -> Page:
    return watched[0]
