"""A real Chromium for tests: `browser`, and pages that fail their test when the browser complains.

In a test module's conftest: `from support.browser import browser, open_page, shared_context`.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

DEBIAN = Path("/usr/bin/chromium")

# The console names the directive too, but only where it is open in time; the event always comes.
_REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy violated: ${event.violatedDirective} by ${event.blockedURI}`));
"""

# The browser's remark on a socket that the page gave up while it was being opened: a matter of moments, and no fault.
_GIVEN_UP = "WebSocket is closed before the connection is established"


class OpenPage(Protocol):
    """Opens a page that finds nothing stored.

    expected: patterns of complaints that belong to the test, such as the browser's own line about a 422.
    alone: in a context of its own, which a test needs that moves the clock: playwright moves that of all its pages.
    Everything else goes to playwright's `new_context` (locale, viewport, color_scheme …). Motion is reduced unless
    told otherwise: playwright waits for what moves, and software rendering costs the tests' processors.
    """

    def __call__(self, url: str, *, expected: Sequence[str] = (), alone: bool = False, **context: Any) -> Page: ...


# Not for the session: playwright's synchronous API leaves its event loop running in this thread between calls, so as
# long as a browser is open, asyncio.run() is refused in every other test of the process.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launched() as started:
        yield started


@contextmanager
def launched(*arguments: str) -> Iterator[Browser]:
    """Debian's Chromium where it is installed, else the one that `playwright install chromium` brought."""
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []  # as root Chromium refuses to start with one
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=str(DEBIAN) if DEBIAN.exists() else None, args=[*as_root, *arguments]
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def shared_context(browser: Browser) -> Iterator[BrowserContext]:
    """For all pages that ask for nothing else: each further context starts a process, which takes half of a test.

    A page that stays keeps the process.
    """
    with _new_context(browser, {}) as context:
        context.new_page()
        yield context


@pytest.fixture
def open_page(browser: Browser, shared_context: BrowserContext) -> Iterator[OpenPage]:
    """Opens pages; at the test's end none of them may have had an error, a warning or a policy violation."""
    with ExitStack() as stack:

        def opened(url: str, *, expected: Sequence[str] = (), alone: bool = False, **options: Any) -> Page:
            if alone or options:
                page = stack.enter_context(watched_page(browser, expected, options))
            else:
                page = stack.enter_context(_page_of(shared_context, expected))
                _forget(page, url)
            page.goto(url)
            return page

        yield opened


@contextmanager
def watched_page(browser: Browser, expected: Sequence[str], options: dict[str, Any]) -> Iterator[Page]:
    """An empty page of a fresh profile; fails at the end where the browser complained of what isn't expected."""
    with _new_context(browser, options) as context, _page_of(context, expected) as page:
        yield page


@contextmanager
def _new_context(browser: Browser, options: dict[str, Any]) -> Iterator[BrowserContext]:
    context = browser.new_context(**{"reduced_motion": "reduce", **options})
    context.set_default_timeout(10_000)
    context.add_init_script(_REPORT_VIOLATIONS)
    try:
        yield context
    finally:
        context.close()


def _forget(page: Page, url: str) -> None:
    """Removes what earlier tests have stored for the address."""
    page.context.clear_cookies()
    session = page.context.new_cdp_session(page)
    parts = urlsplit(url)
    session.send("Storage.clearDataForOrigin", {"origin": f"{parts.scheme}://{parts.netloc}", "storageTypes": "all"})
    session.detach()


@contextmanager
def _page_of(context: BrowserContext, expected: Sequence[str]) -> Iterator[Page]:
    """A new page, closed at the end with those that the test has opened beside it."""
    complaints: list[str] = []
    others = set(context.pages)
    page = context.new_page()
    page.on("console", _collect(complaints))
    page.on("pageerror", lambda error: complaints.append(f"uncaught: {error}"))
    try:
        yield page
    finally:
        for each in context.pages:
            if each not in others:
                each.close()
    known = [_GIVEN_UP, *expected]
    unexpected = [line for line in complaints if not any(re.search(pattern, line) for pattern in known)]
    assert not unexpected, "the browser complained: " + "; ".join(unexpected)


def _collect(complaints: list[str]) -> Callable[[ConsoleMessage], None]:
    def collect(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning", "assert"}:
            complaints.append(f"{message.text} ({message.location.get('url', '')})")

    return collect
