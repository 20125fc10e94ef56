"""``python -m tests.benchmarks``: every benchmark in this folder, one process each, so that none warms another up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Run them all; non-zero when one could not be run. Numbers never fail it."""
    failed = 0
    # The replay of a million is a benchmark of its own: `python -m tests.benchmarks.bench_replay`.
    environment = {"BONAFIDE_BENCH_DECISIONS": "100000", **os.environ}
    for script in sorted(Path(__file__).parent.glob("bench_*.py")):
        print(f"\n=== {script.stem.removeprefix('bench_')} ===", flush=True)
        failed |= subprocess.run(
            [sys.executable, "-m", f"tests.benchmarks.{script.stem}"], check=False, env=environment
        ).returncode
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
