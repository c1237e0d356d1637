"""Takes the picture of a report that README shows: `python -m local.screenshot REPORT`, of a demo's."""

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

from local.emulator.process import ROOT

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WIDTH, HEIGHT = 1200, 760


def browser_path() -> str | None:
    """Find a browser on PATH."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.screenshot", description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/report.png")
    arguments = parser.parse_args()
    with sync_playwright() as playwright:
        # The report is our own file, and as root Chromium runs without its sandbox or not at all.
        browser = playwright.chromium.launch(executable_path=browser_path(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(arguments.report.absolute().as_uri())
        page.screenshot(path=arguments.out)
        browser.close()


if __name__ == "__main__":
    main()
