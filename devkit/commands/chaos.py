"""``bonafide chaos``: faults on a local stack while a fleet runs, and the invariants judged afterwards."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Annotated, Final

import typer

from bonafide.cli.project import project_layout
from bonafide.cli.terminal import EXIT_FAILED, AsJson, err, out, print_json, table
from bonafide.operator.errors import WrongUsage
from bonafide.operator.layout import Layout, Ports
from devkit.chaos.run import Outcome, run_chaos
from devkit.chaos.schedule import Kind
from devkit.commands.local import stop_on_termination

_SHOWN: Final = 5
"""Breaches of one invariant that are printed; all are in the history and in JSON."""


def chaos(
    minutes: Annotated[float, typer.Option(min=0.3, max=1440, help="How long the fleet runs.")] = 2.0,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**31, help="The schedule's seed; drawn and printed without one.")
    ] = None,
    faults: Annotated[str, typer.Option(help=f"Kinds of faults, separated by commas: {', '.join(Kind)}.")] = "",
    devices: Annotated[int, typer.Option(min=1, max=64, help="How many devices the fleet has.")] = 6,
    as_json: AsJson = False,
) -> None:
    """Break a local stack while a fleet runs, and judge five invariants from what clients, operators and observers saw.

    Exit code 0 only if every invariant was checked and none is broken. The same seed gives the same schedule of faults;
    which calls they meet differs.
    """
    stop_on_termination()
    kinds = kinds_of(faults)
    drawn = random.SystemRandom().randrange(10**6) if seed is None else seed
    layout = project_layout()
    own = Layout(layout.root, layout.stacks / "chaos")
    with err().status("Starting") as status:
        outcome = run_chaos(
            own, Ports.next_free(), seconds=minutes * 60, seed=drawn, kinds=kinds, size=devices, say=status.update
        )
    if as_json:
        print_json(outcome.to_record())
    else:
        print_outcome(outcome)
    if not outcome.holds:
        raise typer.Exit(EXIT_FAILED)


def kinds_of(text: str) -> tuple[Kind, ...]:
    """The kinds of faults that a list names; all of them for an empty one. Raises :class:`WrongUsage`."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in set(map(str, Kind))]
    if unknown:
        raise WrongUsage(f"There are no faults called {', '.join(unknown)}: choose among {', '.join(Kind)}.")
    return tuple(Kind(name) for name in names) or tuple(Kind)


def print_outcome(outcome: Outcome) -> None:
    """Both tables, and what is broken."""
    kinds = ((kind, *map(str, numbers)) for kind, numbers in outcome.by_kind().items())
    table(("fault", "scheduled", "touched a call", "calls touched"), kinds)
    rows = (
        (verdict.invariant, str(verdict.checked), str(len(verdict.breaches)), verdict.means)
        for verdict in outcome.verdicts
    )
    table(("invariant", "checked", "broken", "means"), rows)
    out().print(
        f"Seed {outcome.seed}: {outcome.counted} of {len(outcome.faults)} faults touched a call in flight, among "
        f"{outcome.exchanges} requests and {outcome.changes} changes in {outcome.seconds:.0f} s."
    )
    for sentence in _told(outcome):
        err().print(sentence)


def _told(outcome: Outcome) -> Iterable[str]:
    for kind, why in outcome.skipped().items():
        yield f"A fault of kind {kind} could not be tried: {why}"
    for verdict in outcome.verdicts:
        if not verdict.checked:
            yield f"Nothing was there to check {verdict.invariant} by: let it run longer."
        for breach in verdict.breaches[:_SHOWN]:
            yield f"{verdict.invariant} is broken: {breach.sentence}."
            yield from (f"  {line}" for line in breach.evidence)
    if not all(verdict.holds for verdict in outcome.verdicts):
        yield f"The history is in {outcome.folder}; --seed {outcome.seed} repeats the schedule."
