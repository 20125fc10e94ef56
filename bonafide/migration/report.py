"""Reading the lines in which backends compare another product's tokens with ours, and counting where the two differ."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

COMPARISONS: Final = ("both", "ours-only", "theirs-only", "neither", "unknown")
_MESSAGE: Final = "side by side"


class Group(NamedTuple):
    """Requests that are counted together: ours names platform and build, where its token holds."""

    app: str
    platform: str
    build: str


class Report(NamedTuple):
    """How often each comparison came of each group, and why where the two differ (comparison, ours, theirs).
    ``read`` is how many lines were compared, ``damaged`` how many said so and could not be read."""

    groups: dict[Group, Counter[str]]
    why: Counter[tuple[str, str, str]]
    read: int
    damaged: int


def report_of(lines: Iterable[str]) -> Report:
    """Count the lines; all others are passed over. A prefix of a log's own before the JSON is, too."""
    groups: dict[Group, Counter[str]] = {}
    why = Counter[tuple[str, str, str]]()
    read = damaged = 0
    for line in lines:
        if _MESSAGE not in line:
            continue
        try:
            members = json.loads(line[line.index("{") :])
            if members.get("message") != _MESSAGE:
                continue
            comparison, ours, theirs = (str(members[name]) for name in ("comparison", "ours", "theirs"))
            group = Group(*(str(members[name]) for name in ("app", "platform", "app_build")))
            place = COMPARISONS.index(comparison)
        except (ValueError, KeyError, AttributeError, RecursionError):
            damaged += 1
            continue
        read += 1
        groups.setdefault(group, Counter())[COMPARISONS[place]] += 1
        if comparison in ("ours-only", "theirs-only", "unknown"):
            why[comparison, ours, theirs] += 1
    return Report(groups, why, read, damaged)
