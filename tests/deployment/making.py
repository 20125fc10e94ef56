"""`make` in a copy of this checkout, against an AWS stand-in."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bonafide.operator.layout import Layout
from bonafide.operator.local_account import CREDENTIALS

PROJECT: Final = Layout.of_this_project()
ARCHITECTURE: Final = "arm64" if platform.machine().lower() in ("aarch64", "arm64") else "x86_64"


def copied_checkout(folder: Path) -> Path:
    """A copy of this checkout, environments shared, in a path with a space in it."""
    copy = folder / "bona fide"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT.root,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        source = PROJECT.root / name
        if source.is_symlink() or source.is_file():  # and not deleted without having been committed
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            # With its time, by which the environments are up to date; a layer holds another's package by a link.
            shutil.copy2(source, copy / name, follow_symlinks=False)
    for shared in (".venv", ".venv-sam", ".local/packages"):
        (copy / shared).parent.mkdir(exist_ok=True)
        (copy / shared).symlink_to(PROJECT.root / shared)
    return copy


def make(checkout: Path, endpoint: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`make` with these arguments, credentials of the stand-in, and no terminal."""
    version = subprocess.run(
        [str(PROJECT.sam_python), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=True,
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MAKE"))}
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=checkout,
        env={
            **environment,
            **CREDENTIALS,
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            # The stand-in runs functions with the Python that runs it, where Lambda has the template's.
            "BONAFIDE_RUNTIME_PYTHON": version.stdout.strip(),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def replaced(path: Path, old: str, new: str) -> Callable[[], object]:
    """Change a file; the way back."""
    text = path.read_text("utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), "utf-8")
    return lambda: path.write_text(text, "utf-8")
