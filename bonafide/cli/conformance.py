"""``bonafide conformance``: run case files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from bonafide.cli.terminal import AsJson, err, out, print_json
from bonafide.operator.errors import OperatorError

if TYPE_CHECKING:
    from bonafide.conformance.run import Report


def conformance(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of case files, or one of them.")],
    as_json: AsJson = False,
) -> None:
    """Verify and appraise every case file; exit 0 only if each gets the verdict it expects."""
    if not directory.exists():
        raise OperatorError(f"There is no file or folder {directory}.")
    report = _run(directory)
    if as_json:
        print_json(report.to_record())
    else:
        for line in report.lines():
            out().print(line)
    if report.exit_code:
        raise typer.Exit(report.exit_code)


def _run(directory: Path) -> Report:
    from bonafide.conformance.run import run_conformance  # loads every verifier; other commands need none

    console = err()
    if not console.is_terminal:
        return run_conformance(directory)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("Running cases", total=None)
        return run_conformance(directory, progress=lambda done, total, _: bar.update(task, completed=done, total=total))
