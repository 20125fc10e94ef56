"""`make coverage`: which lines of each room the unit tests run; a room below its floor is an error.

Other tests run much of it in processes of their own, which nothing measures here: what only they run counts as not run.
A floor is raised when a room's share has grown, and lowered only with a reason in the same commit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
_MARKS: Final = "not exhaustive and not deploy and not stack and not ministack"

# What runs in this process, and so is measured.
MEASURED: Final = tuple(
    f"tests/{room}" for room in ("unit", "backends", "kit", "chaos", "ledger", "regions", "roots", "simulation")
)

# Room → least percentage of its statements. A file belongs to the longest room that it lies in.
FLOORS: Final[Mapping[str, int]] = {
    "layers/tokens": 98,
    "layers/tokens/src/bonafide_tokens/gate": 80,
    "layers/tokens/src/bonafide_tokens/backends": 88,
    "layers/tokens/src/bonafide_tokens/checker": 84,
    "layers/attestation": 98,
    "layers/attestation/src/attestation/encoding": 97,
    "layers/attestation/src/attestation/apple": 98,
    "layers/attestation/src/attestation/android": 98,
    "layers/attestation/src/attestation/harmony": 98,
    "layers/attestation/src/attestation/appraisal": 96,
    "layers/service": 79,
    "functions": 90,  # what two functions had twice, and tests ran twice, is once in a room of the service
    "functions/authorize_request": 84,
    "bonafide": 88,
    "devkit": 74,
}


def shares(files: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Room → statements that were run, and all; ``files`` are those of coverage's JSON report, by path."""
    found: dict[str, tuple[int, int]] = {}
    for path, measured in files.items():
        rooms = [room for room in FLOORS if path.startswith(f"{room}/")]
        if rooms:
            room, summary = max(rooms, key=len), measured["summary"]
            run, every = found.get(room, (0, 0))
            found[room] = run + summary["covered_lines"], every + summary["num_statements"]
    return found


def main() -> int:
    """Runs the tests, prints a line for each room; 1 if tests fail, or a room is below its floor or gone."""
    report = ROOT / ".local/coverage.json"
    report.parent.mkdir(exist_ok=True)
    environment = dict(os.environ, COVERAGE_FILE=str(ROOT / ".local/.coverage"))
    if sys.version_info >= (3, 12):
        environment["COVERAGE_CORE"] = "sysmon"  # many times faster, and enough for lines
    measure = [f"--cov={top}" for top in sorted({room.split("/")[0] for room in FLOORS})]
    pytest = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "-m", _MARKS]
    outcome = subprocess.run(
        [*pytest, *measure, f"--cov-report=json:{report}", *MEASURED],
        cwd=ROOT,
        env=environment,
        check=False,
    )
    if outcome.returncode:
        return 1
    measured = shares(json.loads(report.read_text("utf-8"))["files"])
    failed = 0
    print(f"{'room':<48} {'statements':>10} {'run':>6} {'floor':>6}")
    for room, floor in FLOORS.items():
        run, every = measured.get(room, (0, 0))
        share = 100 * run / every if every else 0.0
        low = share < floor or not every
        failed += low
        print(f"{room:<48} {every:>10} {share:>5.1f}% {floor:>5}%{'  BELOW ITS FLOOR' if low else ''}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
