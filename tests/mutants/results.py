"""What became of each mutant, kept line by line, and the list that is in the repository."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

from tests.mutants.mutant import Mutant
from tests.mutants.recorded import LIST, LIVING, MOST_ALIVE, ROOT, UNTRIED, digest_of, reasons, summary_of
from tests.mutants.trial import Outcome, Verdict


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
        return [result for result in self.results if result.outcome in LIVING]

    @property
    def explained(self) -> bool:
        """Whether all were tried, few live, and each of them with a reason."""
        few = len(self.alive) <= MOST_ALIVE * len(self.results)
        whole = all(result.outcome != UNTRIED for result in self.results)
        return few and whole and not self.unexplained

    @property
    def summary(self) -> str:
        outcomes = Counter(result.outcome for result in self.results)
        return summary_of(outcomes, seed=self.seed)

    @property
    def unexplained(self) -> list[Result]:
        return [result for result in self.alive if result.identity not in self.reasons]

    def write(self) -> None:
        """The list, module by module."""
        lines = [f"# {self.summary}", "# Written by `make mutants WRITE=1`; see recorded.py. Reasons: equivalent.json."]
        ordered = sorted(self.results, key=lambda result: (result.path, result.line, result.operator, result.identity))
        for path, results in groupby(ordered, key=lambda result: result.path):
            lines += ["", f"{path} {digest_of(ROOT / path)}"]
            for result in results:
                lines.append(f"  {result.identity} {result.outcome} {result.operator}")
                if result.outcome in LIVING:
                    lines += [f"    - {result.was}", f"    + {result.now}"]
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
        untried = Verdict(Outcome.UNTRIED)
        found = [self._results.get(mutant.identity) or Result.of(mutant, untried) for mutant in mutants]
        return Report(found, reasons(), seed)
