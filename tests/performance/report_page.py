"""The report at many rows in a real browser: how large it is, and how long a person waits for it.

`python -m tests.performance.report_page 50000` makes a report of so many objects and opens it in Chromium.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from playwright.sync_api import Page, sync_playwright

from holdfast.evidence.report import report_chunks
from local.screenshot import BROWSERS, browser_path
from tests.unit.evidence.sealed import Story

# Until the browser has drawn what came of it: two frames later.
_TIMED = """async ([what, argument]) => {
  const list = document.querySelector('[data-list="objects"]');
  const began = performance.now();
  if (what === "type") {
    const search = list.querySelector('input[type="search"]');
    search.value = argument;
    search.dispatchEvent(new Event("input"));
  } else if (what === "sort") {
    [...list.querySelectorAll("th button")].find((one) => one.textContent === argument).click();
  } else list.querySelector(".scroller").scrollTop = argument;
  const worked = performance.now() - began;
  await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  return [worked, performance.now() - began];
}"""
_OPENED = """() => [
  performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0,
  performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd]"""


def main(counts: Sequence[int]) -> int:
    found = browser_path()
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            story = Story(recordings=count * 50 // 96)  # media and sidecar, and two of 50 are not there
            began = perf_counter()
            matter = story.matter()
            registered_s = perf_counter() - began
            path = Path(folder) / "report.html"
            with path.open("wb") as file:
                for chunk in report_chunks(matter):
                    file.write(chunk)
            made_s = perf_counter() - began - registered_s
            print(
                f"{matter.register.count_rows():,} objects: register {registered_s:.1f} s,"
                f" report {made_s:.1f} s, {path.stat().st_size / 1e6:.1f} MB"
            )
            if found is None:
                print(f"  no browser to open it in: none of {', '.join(BROWSERS)}")
                continue
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                page.goto(path.as_uri())
                _tell(page)
                browser.close()
    return 0


def _tell(page: Page) -> None:
    painted_ms, ready_ms = page.evaluate(_OPENED)
    print(f"  first paint {painted_ms:.0f} ms, ready to search {ready_ms:.0f} ms")
    for title, what, argument in (
        ("first keystroke", "type", "a"),
        ("next keystroke", "type", "ab"),
        ("two words", "type", "ab 2026-11"),
        ("nothing found", "type", "nothing is called so"),
        ("search emptied", "type", ""),
        ("sort by size", "sort", "Size"),
        ("sort by digest", "sort", "SHA-256"),
        ("jump to the middle", "scroll", 900_000),
    ):
        worked_ms, drawn_ms = page.evaluate(_TIMED, [what, argument])
        print(f"  {title:20} {worked_ms:5.0f} ms, drawn after {drawn_ms:5.0f} ms")


if __name__ == "__main__":
    sys.exit(main([int(count) for count in sys.argv[1:]] or [5_000, 50_000]))
