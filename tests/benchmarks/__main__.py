"""``python -m tests.benchmarks``: every benchmark in this folder, one process each, so that none warms another up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.benchmarks.extent import SHORT


def main() -> int:
    """Run them all; non-zero when one could not be run, and its name. Numbers never fail it."""
    failed = []
    # The replay of a million is a benchmark of its own: `python -m tests.benchmarks.bench_replay`.
    environment = {"BONAFIDE_BENCH_DECISIONS": "10000" if SHORT else "100000", **os.environ}
    for script in sorted(Path(__file__).parent.glob("bench_*.py")):
        print(f"\n=== {script.stem.removeprefix('bench_')} ===", flush=True)
        command = [sys.executable, "-m", f"tests.benchmarks.{script.stem}"]
        if subprocess.run(command, check=False, env=environment).returncode:
            failed.append(script.stem)
    if failed:
        print(f"\nCould not be run to its end: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
