"""Where Chromium and Playwright are, and a browser of it; or why there is none."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from bonafide.operator.layout import Layout

VARIABLE = "BONAFIDE_CHROMIUM"
PACKAGES = Layout.of_this_project().packages / "browser"
NO_CHROMIUM = f"NO BROWSER TESTS: Chromium is not here. Install it (apt-get install chromium), or set {VARIABLE}."
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def chromium() -> str | None:
    """The program, as the variable or the path has it."""
    return os.environ.get(VARIABLE) or next((found for name in NAMES if (found := shutil.which(name))), None)


def missing() -> str:
    """Why nothing can be tested in a browser; empty where it can."""
    if chromium() is None:
        return NO_CHROMIUM
    if not PACKAGES.is_dir():
        return "NO BROWSER TESTS: Playwright is not installed. `make test` installs it."
    if not (Layout.of_this_project().root / ".local" / "console" / "index.html").is_file():
        return "NO BROWSER TESTS: the console's pages are not built. `make console-pages` builds them."
    return ""


@contextmanager
def launched() -> Iterator[Any]:
    """A browser that finds no name and no address but 127.0.0.1."""
    if str(PACKAGES) not in sys.path:
        sys.path.append(str(PACKAGES))
    from playwright.sync_api import sync_playwright

    arguments = [
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--no-proxy-server",
        "--disable-dev-shm-usage",
    ]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # Chromium refuses to begin as root otherwise
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()


if __name__ == "__main__":  # for the Makefile: why Playwright need not be installed
    sys.exit(NO_CHROMIUM if chromium() is None else 0)
