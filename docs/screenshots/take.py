"""Take the pictures of a report that docs/ shows: ``python docs/screenshots/take.py runs/<run-id>``.

Needs Chromium or Chrome in PATH and ``pip install playwright``; ``first-screen.png`` is light, ``broken-scenario.png``
dark, ``narrow.png`` as on a telephone.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from reports.page import write_page

HERE = Path(__file__).parent
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
LARGEST = 300_000
"""Bytes of a picture that is kept in the repository."""


def take(browser: Browser, page: Path, name: str, size: tuple[int, int], *, dark: bool = False) -> Path:
    """Take one picture: if ``dark`` of a scenario that is not valid, one with a counterexample where there is one."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light"
    )
    tab = context.new_page()
    tab.goto(page.resolve().as_uri())
    picture = HERE / f"{name}.png"
    if dark:
        drawn, broken = tab.locator("details.sc[open]:has(.ivs)"), tab.locator("details.sc[open]")
        (drawn if drawn.count() else broken).first.evaluate("e => e.scrollIntoView()")
    tab.screenshot(path=picture)
    context.close()
    return picture


def main(folder: Path) -> int:
    """Take all pictures of a run; 1 if there is no browser or a picture is too large."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        print(f"none of {', '.join(NAMES)} is in PATH", file=sys.stderr)  # noqa: T201
        return 1
    page = write_page(folder)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        pictures = [
            take(browser, page, "first-screen", (1440, 900)),
            take(browser, page, "broken-scenario", (1440, 1400), dark=True),
            take(browser, page, "narrow", (390, 844)),
        ]
        browser.close()
    large = [one.name for one in pictures if one.stat().st_size > LARGEST]
    print("\n".join(f"{one.name}: {one.stat().st_size} bytes" for one in pictures))  # noqa: T201
    return 1 if large else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
