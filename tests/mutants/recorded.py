"""The list of mutants that is in the repository: what became of each, when it was last written.

One heading for each module, with a digest of its text at that time, and below it one line for each mutant; below one
that lives, the line before and after. Code goes on after a list was written: what it says of a module that has changed
since is history, and ``make mutants WRITE=1`` makes a new one.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
LIST: Final = ROOT / "tests" / "mutants" / "mutants.txt"
EQUIVALENT: Final = ROOT / "tests" / "mutants" / "equivalent.json"
"""Mutants that live because no input tells them from the original: identity → reason."""
MOST_ALIVE: Final = 0.02
LIVING: Final = frozenset({"alive", "no test"})
UNTRIED: Final = "not tried"

_HEADING: Final = re.compile(r"(\S+\.py) ([0-9a-f]{12})\Z")
_ENTRY: Final = re.compile(r"  ([0-9a-f]{12}) (killed|timed out|alive|no test|not tried) ([A-Za-z_-]+)\Z")


@dataclass(frozen=True, slots=True)
class Entry:
    """One mutant of the list; ``was`` and ``now`` are there where it lives."""

    identity: str
    path: str
    operator: str
    outcome: str
    was: str = ""
    now: str = ""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A list, read. ``modules`` has each module's digest of that time."""

    summary: str
    entries: tuple[Entry, ...]
    modules: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> Recorded:
        """Raises :class:`ValueError` for a line that is none of the list's."""
        entries: list[Entry] = []
        modules: dict[str, str] = {}
        path, first, *lines = "", *text.splitlines()
        for line in lines:
            if heading := _HEADING.match(line):
                path = heading[1]
                modules[path] = heading[2]
            elif entry := _ENTRY.match(line):
                entries.append(Entry(entry[1], path, entry[3], entry[2]))
            elif line.startswith(("    - ", "    + ")) and entries[-1].outcome in LIVING:
                last, side = entries[-1], "was" if line[4] == "-" else "now"
                sides = {"was": last.was, "now": last.now, side: line[6:]}
                entries[-1] = Entry(last.identity, last.path, last.operator, last.outcome, **sides)
            elif line and not line.startswith("#"):
                raise ValueError(f"not a line of the list: {line!r}")
        return cls(first.removeprefix("# "), tuple(entries), modules)

    @property
    def alive(self) -> list[Entry]:
        """What no test notices."""
        return [entry for entry in self.entries if entry.outcome in LIVING]

    @property
    def tried(self) -> list[Entry]:
        """All but those that the run did not come to."""
        return [entry for entry in self.entries if entry.outcome != UNTRIED]

    def outdated(self, root: Path = ROOT) -> set[str]:
        """Modules that are gone or have changed since: the list says nothing of what they are now."""
        return {path for path, then in self.modules.items() if digest_of(root / path) != then}


def digest_of(path: Path) -> str:
    """Names a module's text; empty where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12] if path.is_file() else ""


def reasons() -> dict[str, str]:
    """Why mutants may live, by identity."""
    read: dict[str, str] = json.loads(EQUIVALENT.read_text("utf-8")) if EQUIVALENT.exists() else {}
    return read


def summary_of(outcomes: dict[str, int], *, seed: str) -> str:
    """The list's first line, of how many mutants had each outcome."""
    number, untried = sum(outcomes.values()), outcomes.get(UNTRIED, 0)
    alive = sum(count for outcome, count in outcomes.items() if outcome in LIVING)
    told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items(), key=lambda item: -item[1]))
    share = alive / max(1, number - untried)
    return f"{number} mutants, seed {seed}: {told}; {share:.2%} of the tried alive"
