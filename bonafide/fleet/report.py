"""The verdict table."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table

from .run import Outcome, Verdict


def print_outcome(outcome: Outcome, console: Console) -> None:
    """Two tables, genuine and hostile, and one closing line."""
    for hostile, group in groupby(outcome.verdicts, key=lambda verdict: verdict.scenario.hostile):
        console.print(_table("Hostile devices" if hostile else "Genuine devices", list(group)))
    console.print(
        "[dim]In brackets what only the operator sees. The first rows start more workers, as cold starts do.[/]"
    )
    console.print(closing_line(outcome))


def closing_line(outcome: Outcome) -> str:
    """How many verdicts were wrong, in words that a script can find too."""
    judged = len(outcome.verdicts) - outcome.skipped
    skipped = f", {outcome.skipped} skipped" if outcome.skipped else ""
    style = "bold red" if outcome.wrong else "bold green"
    return f"[{style}]{judged} verdicts, {outcome.wrong} wrong[/]{skipped}, in {outcome.seconds:.1f} s"


def _table(title: str, verdicts: Sequence[Verdict]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="bold", pad_edge=False)
    table.add_column("device", overflow="fold")
    table.add_column("what it does", overflow="fold")
    table.add_column("expected", overflow="fold")
    table.add_column("got", overflow="fold")
    table.add_column("ms", justify="right", min_width=4, no_wrap=True)
    table.add_column("", min_width=1, no_wrap=True)
    for verdict in verdicts:
        mark = "[dim]–[/]" if verdict.skipped else "[green]✓[/]" if verdict.right else "[bold red]✗[/]"
        table.add_row(
            verdict.scenario.device,
            verdict.scenario.does,
            _folded([str(expected) for expected in verdict.scenario.expected]),
            _folded(verdict.got),
            f"{verdict.milliseconds:.0f}",
            mark,
            style=None if verdict.right else "red",
        )
    return table


def _folded(answers: Sequence[str]) -> str:
    """Equal neighbours once, with their number: ``201, 5 × 409 challenge-unusable``."""
    runs = [(answer, len(list(group))) for answer, group in groupby(answers)]
    return ", ".join(answer if count == 1 else f"{count} × {answer}" for answer, count in runs) or "nothing"
