"""A headless Chromium for the tests of the page, or the reason why there is none."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str | None:
    """The path of an installed Chromium or Chrome."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def missing() -> str:
    """Why no page can be opened; empty when one can."""
    if chromium() is None:
        return f"no browser found: none of {', '.join(NAMES)} is in PATH"
    try:
        import playwright  # noqa: F401
    except ImportError:
        return "no playwright: pip install playwright (its own browsers are not needed)"
    return ""


@dataclass
class Opened:
    """A page of the browser, and what it said and asked for while it was open."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def open(self, path: Path, fragment: str = "") -> Any:
        """Open a file from the disk and return when it is loaded."""
        self.page.goto(path.resolve().as_uri() + fragment)
        return self.page


@contextlib.contextmanager
def engine() -> Iterator[Any]:
    """A headless browser that is closed at the end; the test is skipped with the reason where there is none."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        try:
            yield found
        finally:
            found.close()


def fresh(browser: Any, **context: Any) -> Opened:
    """A page in a context of its own; its console, errors and requests are noted."""
    opened = Opened(browser.new_context(**{"viewport": {"width": 1440, "height": 900}} | context).new_page())
    opened.page.set_default_timeout(10_000)
    opened.page.on("console", lambda message: opened.said.append(message.text))
    opened.page.on("pageerror", lambda error: opened.said.append(str(error)))
    opened.page.on("request", lambda request: opened.asked.append(request.url))
    return opened
