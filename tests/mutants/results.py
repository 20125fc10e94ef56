"""What became of each mutant, kept line by line, and the list that is in the repository."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from tests.mutants.mutant import ROOT, Mutant
from tests.mutants.trial import Outcome, Verdict

LIST: Final = ROOT / "tests" / "mutants" / "mutants.txt"
EQUIVALENT: Final = ROOT / "tests" / "mutants" / "equivalent.json"
"""Mutants that live because no input tells them from the original: identity → reason."""
MOST_ALIVE: Final = 0.02


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the results."""

    identity: str
    path: str
    line: int
    operator: str
    was: str
    now: str
    outcome: str
    by: str
    seconds: float

    @classmethod
    def of(cls, mutant: Mutant, verdict: Verdict) -> Result:
        told = (mutant.identity, mutant.path, mutant.line, mutant.operator, mutant.was, mutant.now)
        return cls(*told, str(verdict.outcome), verdict.by, verdict.seconds)


@dataclass(frozen=True, slots=True)
class Report:
    """Of the mutants that were chosen."""

    results: list[Result]
    reasons: dict[str, str]
    seed: str

    @property
    def alive(self) -> list[Result]:
        return [result for result in self.results if result.outcome in (Outcome.ALIVE, Outcome.NO_TEST)]

    @property
    def explained(self) -> bool:
        """Whether few live, and each of them with a reason."""
        few = len(self.alive) <= MOST_ALIVE * len(self.results)
        return few and all(result.identity in self.reasons for result in self.alive)

    @property
    def summary(self) -> str:
        counts = Counter(result.outcome for result in self.results)
        told = ", ".join(f"{number} {outcome}" for outcome, number in counts.most_common())
        unexplained = sum(1 for result in self.alive if result.identity not in self.reasons)
        share = len(self.alive) / max(1, len(self.results))
        return (
            f"{len(self.results)} mutants, seed {self.seed}: {told}; {share:.2%} alive, {unexplained} without a reason"
        )

    def write(self) -> None:
        """The list: a line for each, the living ones first, with their reasons."""
        lines = [f"# {self.summary}.", "# Written by `make mutants WRITE=1`. Reasons are in equivalent.json.", ""]
        for result in sorted(self.results, key=lambda r: (r not in self.alive, r.path, r.line, r.operator)):
            lines.append(f"{result.identity} {result.outcome}: {result.path} {result.operator}")
            if result in self.alive:
                lines += [f"    - {result.was}", f"    + {result.now}"]
                lines.append(f"    {self.reasons.get(result.identity, 'NO REASON YET')}")
        LIST.write_text("\n".join(lines) + "\n", "utf-8")


class Results:
    """All results so far; the last of a mutant counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._results: dict[str, Result] = {}
        self._lines = 0

    @classmethod
    def read(cls, path: Path) -> Results:
        results = cls(path)
        results.refresh()
        return results

    def refresh(self) -> set[str]:
        """Read what another process has added since; the names of those mutants."""
        lines = self._path.read_text("utf-8").splitlines() if self._path.exists() else []
        new = [Result(**json.loads(line)) for line in lines[self._lines :]]
        self._lines = len(lines)
        self._results |= {result.identity: result for result in new}
        return {result.identity for result in new}

    def killed(self, mutant: Mutant) -> bool:
        """Whether a test has noticed it already."""
        result = self._results.get(mutant.identity)
        return result is not None and result.outcome in (Outcome.KILLED, Outcome.TIMED_OUT)

    def add(self, result: Result) -> None:
        self._results[result.identity] = result
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(result)) + "\n")
        self._lines += 1

    def report(self, mutants: list[Mutant], seed: str) -> Report:
        reasons = json.loads(EQUIVALENT.read_text("utf-8")) if EQUIVALENT.exists() else {}
        return Report([self._results[mutant.identity] for mutant in mutants], reasons, seed)
