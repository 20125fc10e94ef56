"""The built pages: a fixed list of files, so that no path leads to another."""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Final

from bonafide.console.messages import Answer

INDEX: Final = "index.html"
VIEWS: Final = frozenset({"/", "/now", "/causes", "/funnel", "/map", "/timeline", "/keys", "/policies", "/incidents"})
"""Every view is the same page, which reads the rest from its address."""

_HTML: Final = "text/html; charset=utf-8"
_TYPES: Final[Mapping[str, str]] = {
    ".html": _HTML,
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}


@dataclass(frozen=True, slots=True)
class PageFiles:
    """The files below ``folder``, by the paths that they are served at. Links and hidden files are not among them."""

    folder: Path
    files: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path) -> PageFiles:
        """What ``make console-pages`` has built. An empty or absent folder has none."""
        found = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
        named = {f"/{path.relative_to(folder).as_posix()}": path for path in found}
        return cls(folder, {name: path for name, path in named.items() if "/." not in name})

    @property
    def built(self) -> bool:
        """Whether there is a page to show."""
        return f"/{INDEX}" in self.files

    def answer(self, path: str) -> Answer | None:
        """The file at ``path``, compared as it was sent; ``None`` where there is none."""
        if path in VIEWS:
            if not self.built:
                return sentence_page(503, "The console's pages are not built: run `make console-pages`.")
            path = f"/{INDEX}"
        file = self.files.get(path)
        if file is None:
            return None
        try:
            content = file.read_bytes()
        except OSError:  # built anew at this moment
            return sentence_page(503, "The console's pages are being built: load this page again.")
        return Answer(200, content, _TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "text/plain")


def sentence_page(status: int, sentence: str) -> Answer:
    """A page that says one thing."""
    html = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Bonafide console</title><main><h1>Bonafide console</h1><p>{escape(sentence)}</p></main></html>\n"
    )
    return Answer(status, html.encode(), _HTML)
