"""A headless Chromium for pages: Debian's, driven by Playwright."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, Route, sync_playwright

from tests.servers import debian


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A running Chromium. For a module: Playwright's own event loop keeps asyncio.run away."""
    try:
        debian.ensure(debian.BROWSER)
    except debian.Missing as error:
        debian.skip_or_fail(str(error))
    with sync_playwright() as playwright:
        with playwright.chromium.launch(executable_path=shutil.which("chromium")) as chromium:
            yield chromium


@dataclass
class Opened:
    """A page from a file, and what came of it. left: requests for anything but the file."""

    page: Page
    left: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def opened(browser: Browser, file: Path, **context: Any) -> Opened:
    """Open a file as a user does; further arguments are of Playwright's context."""
    around: BrowserContext = browser.new_context(**context)
    around.set_default_timeout(10_000)
    page = around.new_page()
    result = Opened(page)

    def requested(request: Request) -> None:
        if request.url.partition("#")[0] != file.as_uri():
            result.left.append(request.url)

    def routed(route: Route) -> None:
        requested(route.request)
        route.continue_()

    around.route("**/*", routed)
    around.on("request", requested)
    page.on("console", lambda message: result.errors.append(message.text))
    page.on("pageerror", lambda error: result.errors.append(str(error)))
    page.goto(file.as_uri())
    return result


@pytest.fixture
def page(shared: Opened) -> Page:
    """The module's `shared` page, as it was loaded."""
    shared.page.reload()
    return shared.page


def check_own_parts_alone(html: str) -> None:
    """The page's policy lets nothing in but its own script and style, by their hashes; and it
    names no address."""
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]+)"', html)
    assert policy.startswith("default-src 'none'; ")
    for tag in ("script", "style"):
        (own,) = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}';" in policy
    assert not re.findall(r"https?:|//\w|url\(|@import|<link|<img", html)
