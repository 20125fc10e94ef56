"""``bonafide fleet``: the red fleet plays a scenario against a running stack, which is asked what it found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from bonafide.cli.project import project_layout
from bonafide.cli.terminal import EXIT_FAILED, AsJson, Region, StackName, err, out, print_json, table
from bonafide.operator.admin_api import AdminApi
from bonafide.operator.deployment import find_deployment, require_stack_of_region
from devkit.commands.local import stop_on_termination
from devkit.fleet.live.incidents import wait_for_incident
from devkit.fleet.live.play import Played, play
from devkit.fleet.live.stage import stage_for
from devkit.fleet.population.scenarios import SCENARIOS

AT_ONCE: Final = frozenset({"key-farm", "clone-storm", "replay-storm"})
"""Detectors that need no days of a stack's own history: their incidents come within a minute."""


def fleet(
    scenario: Annotated[str, typer.Argument(help="Which one; --list names them.")] = "",
    show_list: Annotated[bool, typer.Option("--list", help="Say what scenarios there are.")] = False,
    seed: Annotated[int, typer.Option("--seed", help="The same seed plays the same scenario.")] = 1,
    requests: Annotated[int, typer.Option("--requests", min=1, max=10_000, help="Decisions of the event.")] = 150,
    seconds: Annotated[float, typer.Option("--seconds", min=1, max=3600, help="Time to play them in.")] = 30.0,
    wait: Annotated[
        float | None, typer.Option("--wait", min=0, max=600, help="Seconds to wait for the incident afterwards.")
    ] = None,
    app: Annotated[str, typer.Option("--app", help="App to play against; the demo app by default.")] = "",
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Be a farm, a broker, a clone army … with software devices and real requests, against the stack that runs.

    Exit code 0 if the incident came that must come at once, or none must. What needs days of history to learn from is
    played all the same, and not waited for.
    """
    if show_list or not scenario:
        _list(as_json)
        return
    if scenario not in SCENARIOS:
        raise typer.BadParameter(f"There is no scenario {scenario!r}. bonafide fleet --list names them.")
    stop_on_termination()
    layout = project_layout()
    require_stack_of_region(stack, region)
    deployment = find_deployment(stack, region, layout)
    stage = stage_for(scenario, deployment, layout, app=app)
    with err().status(f"Playing {scenario}"):
        played = play(stage, scenario, seed, requests=requests, seconds=seconds)
    expected = AT_ONCE.intersection(SCENARIOS[scenario].expected)
    patience = (60.0 if expected else 0.0) if wait is None else wait
    incident = None
    if patience and SCENARIOS[scenario].expected:
        with err().status("Waiting for the incident"):
            incident = wait_for_incident(
                AdminApi(deployment),
                stage.cast.app,
                SCENARIOS[scenario].expected,
                since=played.began,
                seconds=patience,
            )
    if as_json:
        print_json(played.to_record() | {"app": stage.cast.app, "incident": incident})
    else:
        _print(played, stage.cast.app, incident)
    if expected and incident is None:
        raise typer.Exit(EXIT_FAILED)


def _list(as_json: bool) -> None:
    if as_json:
        print_json({name: {"does": each.does, "named_by": list(each.expected)} for name, each in SCENARIOS.items()})
        return
    rows = (
        (name, each.does, ", ".join(each.expected) or "nothing", "yes" if _at_once(each.expected) else "")
        for name, each in SCENARIOS.items()
    )
    table(("scenario", "what happens", "must be named by", "live, at once"), rows)


def _at_once(expected: tuple[str, ...]) -> bool:
    return bool(AT_ONCE.intersection(expected))


def _print(played: Played, app: str, incident: Mapping[str, Any] | None) -> None:
    rows = [(side, answer, str(times)) for (side, answer), times in sorted(played.answers.items())]
    table(("side", "answer", "times"), rows)
    keys = f", {len(played.hostile_keys)} keys of the event enrolled" if played.hostile_keys else ""
    out().print(f"{played.name}, seed {played.seed}, app {app}: {played.seconds:.0f} s{keys}")
    if incident is not None:
        delay = float(incident["opened_at"]) - played.began
        out().print(f"{incident['id']}: {incident['title']}")
        out().print(f"Opened {delay:.0f} s after the first hostile request; bonafide incident show has the rest.")
    elif SCENARIOS[played.name].expected:
        out().print("No incident of it. Detectors of shares and rates need days of the stack's own history.")
