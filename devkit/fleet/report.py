"""The verdict table."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.text import Text

from bonafide.cli.tables import Cell, print_table, printable
from devkit.fleet.run import Outcome, Verdict

_COLUMNS = ("device", "what it does", "expected", "got", "ms", "")


def print_outcome(outcome: Outcome, console: Console) -> None:
    """Two tables, genuine and hostile, and one closing line."""
    for hostile, group in groupby(outcome.verdicts, key=lambda verdict: verdict.scenario.hostile):
        print_table(console, _COLUMNS, map(_row, group), title="Hostile devices" if hostile else "Genuine devices")
    remark = "In brackets what only the operator sees. The first rows start more workers, as cold starts do."
    console.print(Text(remark, style="dim"))
    console.print(closing_line(outcome))


def closing_line(outcome: Outcome) -> Text:
    """How many verdicts were wrong, in words that a script can find too."""
    judged = len(outcome.verdicts) - outcome.skipped
    skipped = f", {outcome.skipped} skipped" if outcome.skipped else ""
    style = "bold red" if outcome.wrong else "bold green"
    return Text.assemble((f"{judged} verdicts, {outcome.wrong} wrong", style), f"{skipped}, in {outcome.seconds:.1f} s")


def _row(verdict: Verdict) -> tuple[Cell, ...]:
    mark = ("–", "dim") if verdict.skipped else ("✓", "green") if verdict.right else ("✗", "bold red")
    cells = (
        verdict.scenario.device,
        verdict.scenario.does,
        _folded([str(expected) for expected in verdict.scenario.expected]),
        _folded(verdict.got),
        f"{verdict.milliseconds:4.0f}",
    )
    style = "" if verdict.right else "red"
    return *(Text(printable(cell), style=style) for cell in cells), Text.assemble(mark)


def _folded(answers: Sequence[str]) -> str:
    """Equal neighbours once, with their number: ``201, 5 × 409 challenge-unusable``."""
    runs = [(answer, len(list(group))) for answer, group in groupby(answers)]
    return ", ".join(answer if count == 1 else f"{count} × {answer}" for answer, count in runs) or "nothing"
