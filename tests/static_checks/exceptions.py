"""The committed list of findings that are as they should be, each with its reason (exceptions.toml)."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from tests.static_checks.findings import Finding

LIST: Final = Path(__file__).with_name("exceptions.toml")
_SHORTEST_REASON: Final = 30


@dataclass(frozen=True, slots=True)
class Exempted:
    """Rules of one tool that these resources may break: logical ids, `*` for any text."""

    tool: str
    rules: tuple[str, ...]
    resources: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """``unlisted`` findings have no exception; ``unused`` rules and resources of exceptions match no finding."""

    unlisted: tuple[Finding, ...]
    unused: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether the list says exactly what there is."""
        return not self.unlisted and not self.unused


def read_exceptions(text: str) -> tuple[Exempted, ...]:
    """The list.

    Raises:
        ValueError: for one without a reason worth the name.
    """
    found = []
    for one in tomllib.loads(text)["exception"]:
        reason = " ".join(str(one["reason"]).split())
        if len(reason) < _SHORTEST_REASON:
            raise ValueError(f"{one['rules']}: the reason says nothing")
        found.append(Exempted(one["tool"], tuple(one["rules"]), tuple(one["resources"]), reason))
    return tuple(found)


def judged(findings: Iterable[Finding], exceptions: Sequence[Exempted], tools: Iterable[str]) -> Verdict:
    """Findings against the list; only exceptions of ``tools``, those that ran, can be unused."""
    all_of_them, ran = sorted(set(findings)), set(tools)
    unlisted = [one for one in all_of_them if not any(_covers(exempted, one) for exempted in exceptions)]
    unused = []
    for exempted in exceptions:
        if exempted.tool not in ran:
            continue
        covered = [one for one in all_of_them if _covers(exempted, one)]
        unused += [f"{exempted.tool} {rule}" for rule in exempted.rules if rule not in {one.rule for one in covered}]
        unused += [
            f"{exempted.tool} {', '.join(exempted.rules)}: {pattern}"
            for pattern in exempted.resources
            if not any(fnmatchcase(one.resource, pattern) for one in covered)
        ]
    return Verdict(tuple(unlisted), tuple(unused))


def _covers(exempted: Exempted, finding: Finding) -> bool:
    return (
        finding.tool == exempted.tool
        and finding.rule in exempted.rules
        and any(fnmatchcase(finding.resource, pattern) for pattern in exempted.resources)
    )
