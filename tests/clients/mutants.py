"""Changes of a client library, each of which a vector or a scenario must notice.

    python -m tests.clients.mutants kotlin [--only NAME] [--sample 5]

`clients/<name>/mutants.json` lists them: `name`, `file`, `find` (which stands there exactly once), `replace`, and
`caught_by`: `FILE.json:CASE` or `kit:SCENARIO`, or a list of such texts, any of which will do. The library is copied to
a folder of its own, where one mutant after the other is built and tried. Exit code 1 if one survives.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from devkit.kit.catalogue import SCENARIOS
from tests.clients.library import ROOT, Broken, Library, names, table


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change, and what must notice it."""

    name: str
    file: str
    find: str
    replace: str
    caught_by: tuple[str, ...]

    @classmethod
    def read(cls, told: dict[str, Any]) -> Mutant:
        """From its entry in the list. Raises :class:`Broken`."""
        try:
            caught = told["caught_by"]
            by = (caught,) if isinstance(caught, str) else tuple(caught)
            mutant = cls(told["name"], told["file"], told["find"], told["replace"], by)
        except (KeyError, TypeError) as error:
            raise Broken(f"mutants.json: {error!r} of {told!r}") from error
        if not by or mutant.find == mutant.replace:
            raise Broken(f"{mutant.name}: nothing is changed, or nothing shall notice it.")
        return mutant

    def applied(self, text: str) -> str:
        """``text`` with the change. Raises :class:`Broken`."""
        times = text.count(self.find)
        if times != 1:
            raise Broken(f"{self.name}: {self.file} has the text {times} times, not once.")
        return text.replace(self.find, self.replace)


def mutants_of(name: str) -> list[Mutant]:
    """The list of a library. Raises :class:`Broken`."""
    try:
        listed = json.loads((ROOT / "clients" / name / "mutants.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Broken(f"clients/{name}/mutants.json: {error}") from error
    found = [Mutant.read(told) for told in listed]
    if len({mutant.name for mutant in found}) != len(found):
        raise Broken(f"clients/{name}/mutants.json: a name stands there twice.")
    return found


def noticed(library: Library, by: str) -> str:
    """What vectors or a scenario say of the library as it is; empty where they notice nothing. Raises :class:`Broken`
    for a text that names neither."""
    kind, colon, case = by.partition(":")
    if kind == "kit" or (not colon and by in SCENARIOS):
        scenario = SCENARIOS.get(case or by)
        if scenario is None:
            raise Broken(f"{by}: there is no such scenario.")
        (result,) = library.scenarios([scenario])
        return f"{scenario.name}: {', '.join(result.rules)}" if result.findings else ""
    if not kind.endswith(".json") or not (ROOT / "vectors" / kind).exists():
        raise Broken(f"{by}: neither FILE.json:CASE nor kit:SCENARIO.")
    passed, lines = library.vectors(kind)
    beginning = f"FAILED {kind}: {case.strip()}"
    return "" if passed else next((line for line in lines if line.startswith(beginning)), "")


def try_mutants(name: str, chosen: Sequence[Mutant], *, say: bool = True) -> list[tuple[str, str, str, str]]:
    """A row for each mutant: its name, what came of it, by what, and seconds. Raises :class:`Broken` where the library
    itself does not build, or what shall notice a mutant notices the library."""
    library = Library.load(name).copied_to(ROOT / ".local" / "clients-mutants" / name)
    library.build()
    for by in sorted({by for mutant in chosen for by in mutant.caught_by}):
        found = noticed(library, by)
        if found:
            raise Broken(f"{name} without a change: {found}")
    rows = []
    for mutant in chosen:
        began = time.monotonic()
        outcome, by = _try(library, mutant)
        rows.append((mutant.name, outcome, by[:90], f"{time.monotonic() - began:.0f} s"))
        if say:
            print(f"{name}: {mutant.name}: {outcome}", file=sys.stderr, flush=True)
    return rows


def _try(library: Library, mutant: Mutant) -> tuple[str, str]:
    path = library.folder / mutant.file
    try:
        before = path.read_text("utf-8")
    except OSError as error:
        raise Broken(f"{mutant.name}: {error}") from error
    path.write_text(mutant.applied(before), encoding="utf-8")
    try:
        try:
            library.build()
        except Broken as error:
            return "DOES NOT BUILD", str(error).splitlines()[-1]
        for by in mutant.caught_by:
            found = noticed(library, by)
            if found:
                return "caught", found
        return "SURVIVED", ", ".join(mutant.caught_by)
    finally:
        path.write_text(before, encoding="utf-8")


def main() -> None:
    """The table of one library."""
    parser = argparse.ArgumentParser(prog="python -m tests.clients.mutants", description=__doc__)
    parser.add_argument("library", choices=names())
    parser.add_argument("--only", metavar="NAME", help="one mutant")
    parser.add_argument("--sample", type=int, metavar="N", help="the first N mutants of the list")
    options = parser.parse_args()
    try:
        chosen = [one for one in mutants_of(options.library) if options.only in (None, one.name)][: options.sample]
        rows = try_mutants(options.library, chosen)
    except Broken as error:
        sys.exit(str(error))
    if not rows:
        sys.exit(f"{options.library} has no such mutant.")
    print(table((options.library, "", "by", ""), rows))
    alive = [row[0] for row in rows if row[1] != "caught"]
    print(f"{len(rows)} mutants of {options.library}, {len(alive)} not caught.")
    sys.exit(1 if alive else 0)


if __name__ == "__main__":
    main()
