"""Takes the pictures that the documents show, of pages that a demo left.

`python -m local.screenshot PACKAGE/data/report.html` is docs/report.png; and the dashboard, in full:
`python -m local.screenshot OUT/dashboard.html --whole --out docs/dashboard.png`.
"""

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

from local.emulator.process import ROOT

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WIDTH, WHOLE_WIDTH, HEIGHT = 1200, 1484, 760


def browser_path() -> str | None:
    """Find a browser on PATH."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.screenshot", description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/report.png")
    parser.add_argument("--whole", action="store_true", help="the whole page, however long it is")
    arguments = parser.parse_args()
    with sync_playwright() as playwright:
        # The page is our own file, and as root Chromium runs without its sandbox or not at all.
        browser = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        width = WHOLE_WIDTH if arguments.whole else WIDTH
        page = browser.new_page(viewport={"width": width, "height": HEIGHT}, color_scheme="light")
        page.goto(arguments.page.absolute().as_uri())
        page.screenshot(path=arguments.out, full_page=arguments.whole)
        browser.close()


if __name__ == "__main__":
    main()
