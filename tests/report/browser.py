"""A headless browser for the tests of the page."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Start an installed Chromium or Chrome; skip the test where there is none."""
    with sync_playwright() as playwright:
        installed = [path for name in _NAMES if (path := shutil.which(name))]
        own = playwright.chromium.executable_path
        if Path(own).exists():
            installed.append(own)
        if not installed:
            pytest.skip("no Chromium or Chrome is installed")
        # Without the sandbox, which root cannot have; the only page opened is our own.
        browser = playwright.chromium.launch(
            executable_path=installed[0], args=["--no-sandbox"], timeout=120_000
        )
        yield browser
        browser.close()


class Visit:
    """A page that was opened, and what happened while it was.

    Attributes:
        page: The page.
        complaints: What the browser wrote into its console, and errors of scripts.
        requests: Addresses the page asked for, itself and data: addresses left out.
    """

    def __init__(self, browser: Browser, path: Path, **context: Any) -> None:
        # Places on the screen are read and pointed at: a page that glides would have moved.
        still = {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"}
        settings = still | context
        self.page: Page = browser.new_context(**settings).new_page()
        self.page.set_default_timeout(60_000)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.requests = [
            url for url in self.requests if url != path.as_uri() and not url.startswith("data:")
        ]
