"""A real browser: Debian's chromium, driven by Playwright."""

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect, sync_playwright

from .waiting import PATIENCE_SECONDS

_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_PATIENCE_MS = 1000 * PATIENCE_SECONDS


def chromium() -> str | None:
    """Where the browser is; None where it is not installed."""
    return shutil.which("chromium")


@contextlib.contextmanager
def browser() -> Iterator[Browser]:
    """Start the browser."""
    expect.set_options(timeout=_PATIENCE_MS)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium(), args=_ARGUMENTS)
        try:
            yield started
        finally:
            started.close()


@contextlib.contextmanager
def watched_page(
    started: Browser, url: str, *, allow_status: int | tuple[int, ...] = (), beside: str = "", **context: Any
) -> Iterator[Page]:
    """Open a page; when it is left, nothing has been said on its console and nothing has come from elsewhere.

    Args:
        started: The browser.
        url: What to open.
        allow_status: HTTP errors that are part of the test: the browser itself puts them on the console.
        beside: URL of another server that the page may ask.
        context: Options of the browser's context, such as ``color_scheme``.
    """
    problems: list[str] = []
    allowed = allow_status if isinstance(allow_status, tuple) else (allow_status,)
    surroundings = started.new_context(**context)
    page = surroundings.new_page()

    def on_console(message: Any) -> None:
        is_allowed = any(f"status of {status}" in message.text for status in allowed)
        if message.type in ("error", "warning") and not is_allowed:
            problems.append(f"{message.type}: {message.text}")

    def on_request(request: Any) -> None:
        known = {urlsplit(url).netloc, urlsplit(beside).netloc}
        if urlsplit(request.url).netloc not in known and not request.url.startswith("data:"):
            problems.append(f"asked {request.url}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", on_request)
    page.set_default_timeout(_PATIENCE_MS)
    try:
        page.goto(url)
        yield page
        assert problems == [], problems
    finally:
        surroundings.close()
