"""``make mutants``: which changes to the verifiers and the gate no test notices.

``NUMBER`` mutants are chosen by ``SEED``. Results are kept in ``.local/mutants`` as they come: ended early, or run
again after a test was added, it goes on with what is not killed yet. Ends with 1 while a mutant lives that
``tests/mutants/equivalent.json`` does not explain.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

from tests.mutants.mutant import ROOT, Mutant, chosen, target_files
from tests.mutants.relevant_tests import RelevantTests
from tests.mutants.results import Result, Results
from tests.mutants.trial import Laboratory, told
from tests.mutants.warm_trial import WarmTrial, swappable

WORK: Final = ROOT / ".local" / "mutants"


def main() -> int:
    """Choose, try, report."""
    parser = argparse.ArgumentParser(prog="make mutants", description=(__doc__ or "").split("\n\n")[1])
    parser.add_argument("--number", type=int, default=1500)
    parser.add_argument("--seed", default="7")
    parser.add_argument("--under", nargs="+", default=[""], help="mutate only modules whose path begins so")
    parser.add_argument(
        "--tests",
        nargs="+",
        default=["tests/unit", "tests/properties", "tests/integration"],
        help="show mutants to these",
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="of tests that a mutant is shown at most")
    parser.add_argument("--report", action="store_true", help="try none, tell what is known")
    parser.add_argument("--write", action="store_true", help="write tests/mutants/mutants.txt")
    arguments = parser.parse_args()
    places = WORK / "places"
    places.mkdir(parents=True, exist_ok=True)
    tree = _copy()
    print(f"Choosing {arguments.number} mutants of {len(target_files())} modules, seed {arguments.seed}", flush=True)
    results = Results.read(WORK / "results.jsonl")
    taken = [m for m in chosen(arguments.number, arguments.seed, places) if m.path.startswith(tuple(arguments.under))]
    if not arguments.report:
        seen = _functions_run(tree, arguments.tests)
        laboratory = Laboratory(tree, RelevantTests(seen["tests"], tree, arguments.seconds))
        laboratory.prepare(seen["imported"])
        _try([mutant for mutant in taken if not results.killed(mutant)], laboratory, results)
    report = results.report(taken, arguments.seed)
    print(f"{report.summary}, {len(report.unexplained)} without a reason")
    if arguments.write:
        report.write()
    return 0 if report.explained else 1


def _try(todo: list[Mutant], laboratory: Laboratory, results: Results) -> None:
    """In the warm process what can be tried there, the others in a process for each."""
    tree = laboratory.tree
    WarmTrial(tree, laboratory.tests, results, list(swappable(todo, tree))).run()
    tried = results.refresh()
    for mutant in todo:
        if mutant.identity not in tried:
            verdict = laboratory.judge(mutant)
            results.add(Result.of(mutant, verdict))
            told(mutant, verdict)


def _copy() -> Path:
    """A copy of the tree, where mutants are put in place; the bytecode of what did not change is kept."""
    tree = WORK / "tree"
    tree.mkdir(exist_ok=True)
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    told = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True).stdout.decode("utf-8").split("\0")
    names = {name for name in told if name and (ROOT / name).is_file()}
    for name in names:
        _copy_if_new(ROOT / name, tree / name)
    for path in tree.rglob("*"):
        gone = path.is_file() and path.relative_to(tree).as_posix() not in names and "__pycache__" not in path.parts
        if gone:
            path.unlink()
    return tree


def _copy_if_new(source: Path, target: Path) -> None:
    if not target.exists() or target.read_bytes() != source.read_bytes():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _functions_run(tree: Path, tests: list[str]) -> dict[str, Any]:
    """Run the tests once on what is not mutated; kept until the code or a test changes."""
    digest = hashlib.sha256(" ".join(tests).encode())
    for path in sorted([*target_files(tree), *(p for name in tests for p in (tree / name).rglob("*.py"))]):
        digest.update(path.read_bytes())
    kept = WORK / f"functions-run-{digest.hexdigest()[:16]}.json"
    if not kept.exists():
        print("Running the tests once, to see which functions each of them runs", flush=True)
        begin = time.monotonic()
        command = [sys.executable, "-m", "tests.mutants.functions_run", str(kept), *tests]
        log = WORK / "functions-run.log"
        with log.open("w", encoding="utf-8") as output:
            environment = {
                **os.environ,
                "BONAFIDE_CASES": os.environ.get("BONAFIDE_CASES", f"{ROOT.parent}/shared/cases"),
            }
            subprocess.run(command, cwd=tree, stdout=output, stderr=output, check=True, env=environment)
        print(f"{time.monotonic() - begin:.0f} s; see {log}", flush=True)
    seen: dict[str, Any] = json.loads(kept.read_text("utf-8"))
    return seen


if __name__ == "__main__":
    sys.exit(main())
