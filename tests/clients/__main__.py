"""The client libraries: compiled, run through vectors and scenarios, and let loose on a live local stack.

    python -m tests.clients [--only NAME] [--without-live]

Exit code 0 only if every library that there is did everything.
"""

from __future__ import annotations

import argparse
import sys
import time

from devkit.kit.catalogue import SCENARIOS
from tests.clients.library import Broken, Library, names, table
from tests.clients.live import STEPS, live_rows


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description=__doc__)
    parser.add_argument("--only", choices=names(), action="append", help="this library; may repeat")
    parser.add_argument("--without-live", action="store_true", help="no local stack")
    options = parser.parse_args()
    try:
        libraries = [Library.load(name) for name in options.only or names()]
    except Broken as error:
        sys.exit(str(error))
    if not libraries:
        sys.exit("There is no library in clients/.")
    missing = {command: package for library in libraries for command, package in library.missing().items()}
    if missing:
        commands, packages = ", ".join(sorted(missing)), " ".join(sorted(set(missing.values())))
        sys.exit(f"Not here: {commands}. Install: apt-get install {packages}")
    rows, built, good = [], [], True
    for library in libraries:
        row, passed = _offline(library)
        rows.append((library.name, *row))
        good &= passed
        if row[0] == "yes":
            built.append(library)
    print(table(("client", "compiles", "vectors", "scenarios", "seconds"), rows))
    if built and not options.without_live:
        found = live_rows(built)
        print()
        print(table(("against the local stack", *STEPS), found))
        good &= all(cell == "yes" for row in found for cell in row[1:])
    sys.exit(0 if good else 1)


def _offline(library: Library) -> tuple[tuple[str, str, str, str], bool]:
    """The cells of a library, and whether all is well. What failed is printed in full."""
    began = time.monotonic()
    try:
        library.build()
    except Broken as error:
        print(f"{library.name}: {error}")
        return ("NO", "", "", _seconds(began)), False
    passed, lines = library.vectors()
    failed = [line for line in lines if not line.startswith("ok ")]
    if not passed or failed:
        print("\n".join(f"{library.name}: {line}" for line in failed))
    files = sum(1 for line in lines if line.startswith("ok "))
    results = library.scenarios(list(SCENARIOS.values()))
    for result in results:
        for finding in result.findings:
            print(f"{library.name}: {result.scenario.name}: {finding.rule.value}: {finding.detail}")
    held = sum(1 for result in results if result.passed)
    vectors = f"{files} files" if passed and files else "FAILED"
    row = ("yes", vectors, f"{held} of {len(results)}", _seconds(began))
    return row, passed and files > 0 and held == len(results)


def _seconds(began: float) -> str:
    return f"{time.monotonic() - began:.0f}"


if __name__ == "__main__":
    main()
