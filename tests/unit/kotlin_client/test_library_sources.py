"""The Kotlin library: what Android 7 does not have stays out, and the quickstart is the code that compiles."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[3]
LIBRARY: Final = ROOT / "clients/kotlin"
SOURCES: Final = sorted(file for file in LIBRARY.rglob("*.kt") if "node_modules" not in file.parts)
SHIPPED: Final = [file for file in SOURCES if file.relative_to(LIBRARY).parts[0] in ("core", "adapters")]

# What the JDK has and Android 7 (API 24) has not, and what would be a dependency.
_NOT_ON_ANDROID_7: Final = re.compile(
    r"java\.util\.Base64|java\.time\.|java\.nio\.file|java\.net\.http|java\.lang\.ref\.Cleaner|kotlinx\.|okhttp|org\.json"
    r"|\breadNBytes\b|\breadAllBytes\b|AlgorithmParameters\.getInstance|inP1363Format|removeFirst\(\)|removeLast\(\)"
)
_PLATFORM: Final = re.compile(r"\b(?:android|com\.google)\.")


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_only_what_android_7_has_is_used(file: Path) -> None:
    text = file.read_text("utf-8").replace("asked.removeFirst()", "")  # of Kotlin's own ArrayDeque
    assert not _NOT_ON_ANDROID_7.search(text)


def test_the_core_calls_no_platform() -> None:
    core = [file for file in SHIPPED if "core" in file.relative_to(LIBRARY).parts]
    found = {
        file.name for file in core if _PLATFORM.search(re.sub(r"/\*.*?\*/|//[^\n]*", "", file.read_text(), flags=re.S))
    }
    assert len(core) > 20
    assert not found


def test_the_quickstart_of_readme_and_guide_is_the_code_that_compiles() -> None:
    source = (LIBRARY / "quickstart/Orders.kt").read_text("utf-8")
    inner = source.split("// begin\n")[1].split("    // end")[0]
    code = "".join(line.removeprefix("    ") for line in inner.splitlines(keepends=True)).rstrip()
    for page in (LIBRARY / "README.md", ROOT / "docs/clients/android.md"):
        assert f"```kotlin\n{code}\n```" in page.read_text("utf-8"), page.name
    assert sum(1 for line in code.splitlines() if line.strip()) <= 15


def test_the_guide_lists_the_situations_of_the_readme() -> None:
    readme = (LIBRARY / "README.md").read_text("utf-8").split("## What is handled")[1].split("## ")[0]
    rows = [line for line in readme.splitlines() if line.startswith("| ") and not line.startswith("| situation")]
    guide = (ROOT / "docs/clients/android.md").read_text("utf-8")
    assert len(rows) > 10
    assert [row for row in rows if row not in guide] == []


def test_files_are_short() -> None:
    assert {file.name for file in SOURCES if len(file.read_text("utf-8").splitlines()) > 300} == set()
