"""``bonafide drills``: how long until a blocked key, an app's not-before, and a reported signal take effect."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import median
from typing import Annotated, Any, Final

import typer

from bonafide.cli.project import project_layout
from bonafide.cli.terminal import EXIT_FAILED, AsJson, Region, StackName, err, out, print_json, table
from bonafide.operator.deployment import Deployment, find_deployment, from_facts, require_stack_of_region
from bonafide.operator.errors import OperatorError
from bonafide.operator.layout import Layout
from devkit.commands.local import start, stop_on_termination
from devkit.devices.authority.authority import DeviceAuthority
from devkit.fleet.drills.drills import (
    GUARANTEED,
    TYPICAL,
    DrillFailed,
    Measurement,
    block_drill,
    not_before_drill,
    prepare,
    signal_drill,
)
from devkit.fleet.drills.secrets import block_secret_drill, rotate_drill
from devkit.fleet.run import make_scene
from devkit.fleet.scenario import Scene
from devkit.stack.stack import LocalStack

Drill = Callable[[Deployment, Scene, int], Iterator[Measurement]]
DRILLS: Final[dict[str, Drill]] = {
    "block a key": block_drill,
    "not-before": not_before_drill,
    "signal": signal_drill,
    "rotate a secret": rotate_drill,
    "block: no secret": block_secret_drill,
}


_ENOUGH_FOR_TYPICAL: Final = 10
"""Repetitions from which on a median is judged."""


def drills(
    repetitions: Annotated[int, typer.Option(min=1, max=1000, help="How often each drill is done.")] = 20,
    running: Annotated[bool, typer.Option("--running", help="Use the local stack that is running already.")] = False,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Block keys and refuse older tokens while apps call, and measure seconds from the command to the refusal.

    Exit code 0 only if the worst case is within what is guaranteed, 30 s, and, of 10 repetitions or more, half are
    within 5 s.
    """
    stop_on_termination()
    layout = project_layout()
    require_stack_of_region(stack, region)
    started = None if running or stack else LocalStack(layout=layout)
    try:
        if started is not None:
            start(started)
        deployment = from_facts(started.facts) if started else find_deployment(stack, region, layout)
        results = _run(deployment, layout, repetitions)
    finally:
        if started is not None:
            started.stop()
    records = {name: _record(measured) for name, measured in results.items()}
    if as_json:
        print_json(records)
    else:
        _print(records)
    missed = missed_criteria(records, repetitions)
    for sentence in missed:
        err().print(sentence)
    if missed:
        raise typer.Exit(EXIT_FAILED)


def missed_criteria(records: dict[str, dict[str, Any]], repetitions: int) -> list[str]:
    """One sentence for each criterion that a drill failed, with what was measured and what is allowed.

    A few repetitions say nothing of what is typical: their median is not judged.
    """
    criteria = [("worst", "in its worst case", GUARANTEED)]
    if repetitions >= _ENOUGH_FOR_TYPICAL:
        criteria.append(("median", "in half of its repetitions", TYPICAL))
    return [
        f"Drill {name!r} failed: {told} it took {record[figure]:.2f} s to hold everywhere; {most:.0f} s are allowed."
        for name, record in records.items()
        for figure, told, most in criteria
        if record[figure] > most
    ]


def _run(deployment: Deployment, layout: Layout, repetitions: int) -> dict[str, list[Measurement]]:
    prepare(deployment)
    scene = make_scene(deployment, DeviceAuthority.load_or_create(layout.authority))
    results: dict[str, list[Measurement]] = {}
    try:
        for name, drill in DRILLS.items():
            measured = results.setdefault(name, [])
            for measurement in drill(deployment, scene, repetitions):
                measured.append(measurement)
                err().print(
                    f"{name} {len(measured)} of {repetitions}: first refusal after {measurement.first_refusal:.2f} s, "
                    f"last acceptance after {measurement.last_acceptance:.2f} s"
                )
    except DrillFailed as error:
        raise OperatorError(str(error)) from error
    return results


def _record(measured: list[Measurement]) -> dict[str, Any]:
    effects = [one.effect for one in measured]
    return {
        "repetitions": len(measured),
        "median": round(median(effects), 2),
        "worst": round(max(effects), 2),
        "median_first_refusal": round(median(one.first_refusal for one in measured), 2),
        "worst_first_refusal": round(max(one.first_refusal for one in measured), 2),
        "measurements": [one.to_record() for one in measured],
    }


def _print(records: dict[str, dict[str, Any]]) -> None:
    shown = ("median_first_refusal", "worst_first_refusal", "median", "worst")
    rows = ((name, str(r["repetitions"]), *(f"{r[key]:.2f} s" for key in shown)) for name, r in records.items())
    table(("drill", "times", "first refusal, median", "worst", "holds everywhere, median", "worst"), rows)
    worst = max(record["worst"] for record in records.values())
    out().print(f"Worst case {worst:.2f} s; guaranteed are {GUARANTEED:.0f} s, and {TYPICAL:.0f} s are typical.")
