"""`bonafide conformance DIR`: run case files and say which verdicts are right.

Each case is verified and, where there are claims, appraised under the default policy with production and development
environments both allowed, at the case's own time. Nothing passes in silence: a format without a verifier, a case that
cannot be used and an expectation that cannot be compared are failures.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from attestation.appraisal.appraise import appraise, worst_tier
from attestation.appraisal.cedar.engine import default_policy
from attestation.appraisal.result import AttestationResult
from attestation.errors import AttestationError, EndorsementsUnavailable

from bonafide.conformance.android_case_runners import ANDROID_RUNNERS
from bonafide.conformance.case_file import Case, CaseUnusable, load_members, read_case, timestamp
from bonafide.conformance.case_runners import APPLE_RUNNERS, TIMES, Runner, Verified
from bonafide.conformance.harmony_case_runners import HARMONY_RUNNERS

RUNNERS: Final[Mapping[str, Runner]] = {**APPLE_RUNNERS, **ANDROID_RUNNERS, **HARMONY_RUNNERS}
"""The runner of each format. A format that is not here fails its cases as not supported yet."""

_TIME_TOLERANCE: Final = 0.0005  # seconds; case files write milliseconds


@dataclass(frozen=True, slots=True)
class CaseResult:
    """The outcome of one case: ``problems`` is empty when it passed; ``verdict`` is what we said."""

    case: str
    verdict: str
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every expectation was met."""
        return not self.problems


@dataclass(frozen=True, slots=True)
class Report:
    """The results of one run, in the order of the files' paths."""

    results: tuple[CaseResult, ...]

    @property
    def passed(self) -> int:
        """How many cases passed."""
        return sum(result.passed for result in self.results)

    @property
    def failed(self) -> int:
        """How many cases failed."""
        return len(self.results) - self.passed

    @property
    def exit_code(self) -> int:
        """0 when there were cases and all passed, else 1."""
        return 0 if self.results and not self.failed else 1

    def lines(self) -> Iterable[str]:
        """One line per case and the closing line."""
        for result in self.results:
            if result.passed:
                yield f"pass  {result.case}  ({result.verdict})"
            else:
                yield f"FAIL  {result.case}  ({result.verdict}): {'; '.join(result.problems)}"
        if not self.results:
            yield "no case files found"
        yield f"{self.passed} passed, {self.failed} failed"

    def to_record(self) -> dict[str, object]:
        """The report as JSON-ready data."""
        return {
            "passed": self.passed,
            "failed": self.failed,
            "cases": [
                {
                    "case": result.case,
                    "passed": result.passed,
                    "verdict": result.verdict,
                    "problems": list(result.problems),
                }
                for result in self.results
            ],
        }


Progress = Callable[[int, int, CaseResult], None]
"""Called after each case with how many are done, how many there are, and the result."""


def run_conformance(directory: Path | str, *, progress: Progress | None = None) -> Report:
    """Run every ``*.json`` file with a ``case`` key below ``directory``; other JSON files are no cases."""
    cases: list[tuple[str, Mapping[str, Any] | CaseUnusable]] = []
    root = Path(directory)
    for path in sorted(root.rglob("*.json")) if root.is_dir() else [root]:
        name = str(path.relative_to(root).with_suffix("")) if path != root else path.stem
        try:
            members = load_members(path)
        except CaseUnusable as fault:
            cases.append((name, fault))
            continue
        if isinstance(members, dict) and "case" in members:
            cases.append((name, members))
    results = []
    for done, (name, members) in enumerate(cases, 1):
        results.append(_run(name, members))
        if progress is not None:
            progress(done, len(cases), results[-1])
    return Report(tuple(results))


def _run(name: str, members: Mapping[str, Any] | CaseUnusable) -> CaseResult:
    if isinstance(members, CaseUnusable):
        return CaseResult(name, "unusable case", (str(members),))
    try:
        return run_case(read_case(members))
    except CaseUnusable as fault:
        return CaseResult(name, "unusable case", (str(fault),))
    except Exception as fault:  # one broken verifier must not hide the other cases
        return CaseResult(name, "crashed", (f"{type(fault).__name__} escaped the verifier",))


def run_case(case: Case) -> CaseResult:
    """Verify, appraise and compare one case. Raises :class:`CaseUnusable`."""
    runner = RUNNERS.get(case.format)
    if runner is None:
        return CaseResult(case.name, "not judged", ("format not supported yet",))
    try:
        verified = runner(case)
    except EndorsementsUnavailable as error:
        return CaseResult(case.name, "not judged", (f"endorsements unavailable: {error.reason}",))
    except AttestationError as error:
        verdict = f"rejected, {error.reason}"
        problem = f"expected {case.expect.outcome}: {error}" if case.expect.outcome == "verified" else None
        return CaseResult(case.name, verdict, (problem,) if problem else ())
    result = judge(case, verified)
    verdict = "verified" if result is None else f"verified, {result.tier}"
    return CaseResult(case.name, verdict, tuple(_compare(case, verified, result)))


def judge(case: Case, verified: Verified) -> AttestationResult | None:
    """What the default policy says at the case's time; ``None`` where there is nothing to appraise."""
    if verified.claims is not None:
        return appraise(verified.claims, client_data=None, policy=default_policy(), now=case.at)
    if verified.findings is not None:
        return AttestationResult(
            tier=worst_tier(verified.findings), findings=verified.findings, trustworthiness={}, policy_version=0
        )
    return None


def _compare(case: Case, verified: Verified, result: AttestationResult | None) -> Iterable[str]:
    """What is wrong with a case whose evidence verified."""
    expect = case.expect
    contraindicated = result is not None and not result.accepted
    if expect.outcome == "rejected" or (expect.outcome == "rejected-or-contraindicated" and not contraindicated):
        yield f"expected {expect.outcome}"
    if expect.appraisal is not None and result is None:
        yield "expected an appraisal, but there is nothing to appraise"
    elif expect.appraisal is not None and contraindicated != (expect.appraisal == "contraindicated"):
        yield f"expected the appraisal {expect.appraisal}"
    for name, expected in expect.claims.items():
        if name not in verified.facts:
            yield f"claim {name} is not known for this format"
        elif not _same(name, verified.facts[name], expected):
            yield f"claim {name} is {verified.facts[name]!r}, expected {expected!r}"


def _same(name: str, actual: object, expected: object) -> bool:
    if name in TIMES and isinstance(expected, str):
        return isinstance(actual, float) and abs(actual - timestamp(expected)) < _TIME_TOLERANCE
    # 1 and True, 3 and 3.0 are equal to Python; a case means one of them.
    return type(actual) is type(expected) and actual == expected


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m bonafide.conformance.run DIR [--json]`."""
    parser = argparse.ArgumentParser(prog="python -m bonafide.conformance.run", description="Run case files.")
    parser.add_argument("directory", type=Path, help="folder with case files, walked through")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    options = parser.parse_args(arguments)
    report = run_conformance(options.directory)
    if options.json:
        print(json.dumps(report.to_record(), indent=2))
    else:
        print("\n".join(report.lines()))
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
