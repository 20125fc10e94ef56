"""MkDocs hooks of the documentation site (mkdocs.yml): pages from outside ``docs/``, and links that leave it.

Each page is written to be read in the repository, so its links are paths in the repository. A link to a page of the
site becomes a link of the site. A link to any other file must name one that is there: it becomes a link to the
repository where ``repo_url`` is known, and the file's path otherwise. A link to nothing is a warning, and the build is
strict.
"""

from __future__ import annotations

import logging
import os
import posixpath
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml
from api_reference import reference
from mkdocs.structure.files import File

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT: Final = Path(__file__).parents[2]
# Pages of the site that stand elsewhere in the repository: their place in the site, and their file.
BORROWED: Final = {
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "security.md": "SECURITY.md",
    "examples/orders-backend.md": "examples/orders-backend/README.md",
    "examples/assistant.md": "examples/assistant/README.md",
}
_PLACES: Final = {file: place for place, file in BORROWED.items()}
_REFERENCE: Final = "<!-- the reference, from openapi.yaml -->"
_FENCE: Final = re.compile(r"^( *```.*?^ *```$)", re.DOTALL | re.MULTILINE)
_LINK: Final = re.compile(r"(?<!`)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^()\s]+)\)")
_CODE: Final = re.compile(r"<(pre|code)\b.*?</\1>", re.DOTALL)
_UNRESOLVED: Final = re.compile(r"\[[^\[\]<>]+\]\[[^\[\]<>]*\]")
# What a browser fetches by itself. A link that a reader may follow is no such thing.
_FETCHED: Final = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=["']?(?:https?:)?//"""
    r"""|<link\b(?=[^>]*\brel=["']?(?:stylesheet|preconnect|preload|icon))[^>]*\bhref=["']?(?:https?:)?//"""
    r"""|@import\s+["']?(?:url\(["']?)?(?:https?:)?//|url\(["']?(?:https?:)?//"""
)
_LOG: Final = logging.getLogger("mkdocs.hooks.links")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Lists every decision in the navigation, in the order of their numbers."""
    decisions = [f"adr/{path.name}" for path in sorted((ROOT / "docs/adr").glob("0*.md"))]
    for section in config.nav or []:
        if "Decisions" in section:
            section["Decisions"] = [*section["Decisions"], *decisions]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that stand outside ``docs/``."""
    for place, file in BORROWED.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / file)))
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrites the page's links from the repository's paths to the site's."""
    place = page.file.src_uri
    source = BORROWED.get(place, f"docs/{place}")

    def rewritten(match: re.Match[str]) -> str:
        text, target = match.groups()
        path, mark, anchor = target.partition("#")
        if not path or re.match(r"[a-z][a-z+.-]*:", path):
            return match.group()
        in_repository = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        found = _PLACES.get(in_repository) or in_repository.removeprefix("docs/")
        if in_repository in _PLACES or (in_repository.startswith("docs/") and files.get_file_from_path(found)):
            return f"[{text}]({posixpath.relpath(found, posixpath.dirname(place) or '.')}{mark}{anchor})"
        if in_repository.startswith("../") or not (ROOT / in_repository).exists():
            _LOG.warning("%s links to %s, which is not in the repository", source, target)
            return match.group()
        if (index := f"{found}/README.md") and files.get_file_from_path(index):
            return f"[{text}]({posixpath.relpath(index, posixpath.dirname(place) or '.')}{mark}{anchor})"
        if config.repo_url:
            return f"[{text}]({config.repo_url.rstrip('/')}/blob/main/{in_repository}{mark}{anchor})"
        return text if in_repository in text else f"{text} (`{in_repository}`)"

    if _REFERENCE in markdown:
        described = yaml.safe_load((ROOT / "docs/openapi.yaml").read_text("utf-8"))
        markdown = markdown.replace(_REFERENCE, reference(described))
    parts = _FENCE.split(markdown)
    parts[::2] = [_LINK.sub(rewritten, part) for part in parts[::2]]
    return "".join(parts)


def on_page_content(html: str, *, page: Page, **_: object) -> str:
    """Warns of references that no definition resolves: Markdown leaves them as they were written."""
    for unresolved in _UNRESOLVED.findall(_CODE.sub("", html)):
        _LOG.warning("%s has a reference that nothing defines: %s", page.file.src_uri, unresolved)
    return html


def on_post_build(config: MkDocsConfig) -> None:
    """Warns of anything that a browser would fetch from another host: the site works without a network."""
    for folder, _, names in os.walk(config.site_dir):
        for name in names:
            if name.endswith((".html", ".css")):
                path = Path(folder, name)
                for found in _FETCHED.findall(path.read_text("utf-8")):
                    _LOG.warning("%s fetches from another host: %s", path.relative_to(config.site_dir), found)
