"""The baseline of a build: which parts of it are measured, and how their names are spelled.

An app measures the same parts of itself and sends them as ``measurements``; docs/app-registration.md is the page for
those who write that code. What is made of few files is measured file by file, a folder of many as one part.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from bonafide.artefacts.archive import Archive
from bonafide.artefacts.artefact import ArtefactError

MAX_PARTS = 1_500
"""Most parts of one artefact: a row of DynamoDB holds about twice as many."""


def folder_digest(archive: Archive, names: Iterable[str], *, root: str) -> str | None:
    """One SHA-256 (hex) for all files under ``root``; ``None`` when there are none.

    SHA-256 of the lines ``<SHA-256 in hex>␠␠<path below root>\\n``, sorted by the path's UTF-8 bytes: what
    ``sha256sum`` prints for them.
    """
    lines = sorted(
        ((name[len(root) :].encode("utf-8"), archive.sha256(name)) for name in names if name.startswith(root)),
        key=lambda line: line[0],
    )
    if not lines:
        return None
    return sha256(b"".join(digest.encode("ascii") + b"  " + path + b"\n" for path, digest in lines)).hexdigest()


def check_part_count(parts: dict[str, str], name: str) -> dict[str, str]:
    """The parts as they are. Raises :class:`ArtefactError` when they are too many."""
    if len(parts) > MAX_PARTS:
        raise ArtefactError(f"{name} has {len(parts)} parts to measure: at most {MAX_PARTS} can be known of one build.")
    return parts
