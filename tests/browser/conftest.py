"""A browser for the tests of this folder, and the console in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from bonafide.console.console import Console
from bonafide.console.server import ConsoleServer
from bonafide.operator.layout import Layout
from tests.browser.chromium import launched, missing
from tests.browser.made_up import MadeUpStack
from tests.unit.console.running import deployment

PAGES = Layout.of_this_project().root / ".local" / "console"


@dataclass
class Seen:
    """What a browser did beside showing: every address it asked, errors of pages, violations of their policy."""

    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def elsewhere(self) -> list[str]:
        """Requests that were not for 127.0.0.1."""
        return [
            url
            for url in self.requests
            if urlsplit(url).hostname != "127.0.0.1" and not url.startswith(("data:", "blob:"))
        ]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium, or a skip that says why there is none."""
    why = missing()
    if why:
        pytest.skip(why)
    with launched() as one:
        yield one


@dataclass
class MadeUpConsole:
    """A console over a stack that is made up, and windows of a browser on it."""

    console: Console
    server: ConsoleServer
    stack: MadeUpStack
    browser: Any

    @contextmanager
    def page(self, path: str = "/now?app=demo", **context: Any) -> Iterator[tuple[Any, Seen]]:
        """A page that opened a printed address and went on to ``path``."""
        with opened(self.browser, self.console, path, **context) as pair:
            yield pair


@contextmanager
def opened(browser: Any, console: Console, path: str, **context: Any) -> Iterator[tuple[Any, Seen]]:
    """A window of its own on a console."""
    window = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **context})
    seen = Seen()
    window.on("request", lambda request: seen.requests.append(request.url))
    page = window.new_page()
    page.set_default_timeout(30_000)
    page.on("pageerror", lambda error: seen.errors.append(str(error)))
    page.on("console", lambda said: seen.errors.append(said.text) if is_fault(said) else None)
    page.on("dialog", lambda dialog: noted(seen, dialog))
    try:
        page.goto(console.new_address())
        page.goto(f"{console.origin.url}{path}")
        yield page, seen
    finally:
        window.close()


def is_fault(said: Any) -> bool:
    """An error that a page wrote; a refusal of the server's, which Chromium writes down as well, is none."""
    return said.type == "error" and not said.text.startswith("Failed to load resource")


def noted(seen: Seen, dialog: Any) -> None:
    """A dialog of the browser's own: a script's, or the question whether to leave a draft."""
    if dialog.type != "beforeunload":
        seen.errors.append(f"{dialog.type}: {dialog.message}")
    dialog.accept()


@pytest.fixture
def made_up(browser: Any, tmp_path: Path) -> Iterator[MadeUpConsole]:
    """The real server and the real pages over made-up answers."""
    server, stack = ConsoleServer(0), MadeUpStack()
    console = Console.of(deployment(), port=server.port, pages=PAGES, decisions=tmp_path / "none", send=stack)
    server.start(console.answer)
    try:
        yield MadeUpConsole(console, server, stack, browser)
    finally:
        console.end()
        server.stop()


def until(met: Callable[[], bool], what: str, *, seconds: float = 30.0) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, f"{what} did not come in {seconds:.0f} s"
        time.sleep(0.05)
