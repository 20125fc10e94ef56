"""``python -m tests.prover.reachability``: rules without effect, by the linter's search and by the solver.

Every case of the linter's own tests that concerns reachability, and some that only the solver sees. Exit code 1 where
the solver says less than the search, or not what is known.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from attestation.appraisal.lint.formulas import CanHold, satisfiable
from attestation.appraisal.lint.lint import lint_appraisal

from bonafide.prover.reach import Reach, idle_permits
from tests.unit.cedar.conditions import IMPOSSIBLE, POSSIBLE, formula
from tests.unit.cedar.lint_mutations import MUTATIONS, NOW, SOUND, mutated

CODES: Final = frozenset({"impossible-condition", "unreachable-permit", "idle-forbid", "no-permit", "redundant-permit"})
PERMIT: Final = "permit (principal, action, resource);\n"
NOTHING: Final = "none"

SEEN_BY_THE_SOLVER: Final = {
    'principal.app_id like "a*" && principal.app_id == "b"': "a pattern and a text",
    "principal.security_level + 1 > 3 && principal.security_level < 2": "a sum",
}
"""Conditions that the linter's tests call possible because its search cannot see otherwise."""

BETTER: Final = [
    ("two patterns exclude each other", "impossible-condition",
     PERMIT + '@id("x") forbid (principal is Android, action, resource)\n'
     'when { principal.app_id like "com.*" && principal.app_id like "*.de" && principal.app_id == "com.at" };'),
    ("a sum of two ages", "impossible-condition",
     PERMIT + '@id("x") forbid (principal is Android, action, resource) when { principal.security_level > 5 &&\n'
     "principal.attestation_version > 5 && principal.security_level + principal.attestation_version < 10 };"),
    ("a set that holds what it lacks", "impossible-condition",
     PERMIT + '@id("x") forbid (principal is Android, action, resource)\n'
     'when { principal.packages.containsAll(["a", "b"]) && !principal.packages.containsAny(["b", "c"]) };'),
    ("an empty set that holds something", "impossible-condition",
     PERMIT + '@id("x") forbid (principal is Android, action, resource)\n'
     'when { principal.packages.isEmpty() && principal.packages.contains("a") };'),
    ("an age of a patch level that is no month", "impossible-condition",
     PERMIT + '@id("x") forbid (principal is Android, action, resource)\n'
     "when { principal has patch_age_months && !principal.patch_known };"),
    ("a pattern within a pattern", "unreachable-permit",
     'permit (principal is Apple, action, resource);\n@id("p")\npermit (principal is Android, action, resource)\n'
     'when { principal.app_id like "com.example.*" };\n'
     '@id("x") forbid (principal is Android, action, resource) when { principal.app_id like "com.*" };'),
    ("forbids that leave no number", "unreachable-permit",
     'permit (principal is Apple, action, resource);\n@id("p")\npermit (principal is Android, action, resource)\n'
     "when { principal.security_level >= 1 };\n"
     '@id("x") forbid (principal is Android, action, resource) when { principal.security_level < 3 };\n'
     '@id("y") forbid (principal is Android, action, resource)\n'
     "when { !(principal.security_level * 2 < 5) && principal.security_level < 1000000 };\n"
     '@id("z") forbid (principal is Android, action, resource) when { principal.security_level >= 1000000 };'),
    ("a warning within a refusal", "idle-forbid",
     PERMIT + '@id("x") forbid (principal is Android, action, resource) when { principal.app_id like "com.*" };\n'
     '@id("y") forbid (principal is Android, action == Action::"affirm", resource)\n'
     'when { principal.app_id == "com.example" };'),
    ("a permit within a permit", "redundant-permit",
     PERMIT + '@id("p") permit (principal is Apple, action, resource);'),
    ("a permit within two others", "redundant-permit",
     'permit (principal is Apple, action, resource) when { principal.receipt_verified };\n'
     "permit (principal is Apple, action, resource) unless { principal.receipt_verified };\n"
     '@id("p") permit (principal is Apple, action, resource) when { context.event == "enrol" };'),
    ("a permit beside one that ends", NOTHING,
     '@expires("2090-01-01") permit (principal, action, resource);\n'
     '@id("p") permit (principal is Apple, action, resource);'),
]  # fmt: skip
"""Drafts, and what the solver says of them. The search says nothing of any."""


class Case(NamedTuple):
    """A case: what it is, what is known of it, and what search and solver say."""

    name: str
    known: str
    search: str
    solver: str

    @property
    def better(self) -> bool:
        """Whether the solver sees what the search does not."""
        return self.solver == self.known != self.search


def cases(solver: CanHold) -> Iterator[Case]:
    """All of them."""
    yield Case("sound policy", NOTHING, *_codes(SOUND, solver))
    for number, (code, old, new) in enumerate(MUTATIONS):
        if code in CODES:
            yield Case(f"mutation {number}: {code}", code, *_codes(mutated(old, new), solver))
    for condition in IMPOSSIBLE:
        yield Case(condition, "impossible", *_conditions(condition, solver))
    for condition in POSSIBLE:
        known = "impossible" if condition in SEEN_BY_THE_SOLVER else "possible"
        yield Case(condition, known, *_conditions(condition, solver))
    for name, code, text in BETTER:
        yield Case(name, code, *_codes(text, solver))


def _codes(text: str, solver: CanHold) -> tuple[str, str]:
    search = {message.code for message in lint_appraisal(text, now=NOW)}
    linted = {message.code for message in lint_appraisal(text, now=NOW, can_hold=solver)}
    if not linted - {"permits-end"}:
        linted |= {message.code for message in idle_permits(text, now=NOW)}
    return _said(search), _said(linted)


def _said(codes: set[str]) -> str:
    return ", ".join(sorted(codes & CODES)) or NOTHING


def _conditions(condition: str, solver: CanHold) -> tuple[str, str]:
    search, solved = (one([formula(condition)], "Android") for one in (satisfiable, solver))
    return ("possible" if search else "impossible"), ("possible" if solved else "impossible")


def main() -> int:
    """Prints a line for each case, and how many are the same and better."""
    began, solver = time.monotonic(), Reach(in_all=600)
    found = list(cases(solver))
    width = max(len(case.name) for case in found)
    for case in found:
        verdict = "better" if case.better else "same" if case.solver == case.search == case.known else "WORSE"
        print(
            f"{case.name:{width}}  known {case.known:20}  search {case.search:20}  solver {case.solver:20}  {verdict}"
        )
    better = sum(case.better for case in found)
    worse = [case for case in found if case.solver != case.known]
    seconds = time.monotonic() - began
    print(f"{len(found)} cases in {seconds:.0f} s: {len(found) - better - len(worse)} the same, {better} better,"
          f" {len(worse)} worse")  # fmt: skip
    return 1 if worse else 0


if __name__ == "__main__":
    raise SystemExit(main())
