"""``bonafide demo``: the stack, the fleet, the verdict table."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from bonafide.cli.console.console import printing_more, serving
from bonafide.cli.project import project_layout
from bonafide.cli.terminal import EXIT_FAILED, AsJson, Region, StackName, err, out, print_json
from bonafide.operator.deployment import Deployment, find_deployment, from_facts, require_stack_of_region
from bonafide.operator.layout import Layout
from bonafide.operator.registration import DEMO_APP
from devkit.commands.local import serve, start, stop_on_termination
from devkit.commands.story import Story, tell_story
from devkit.devices.authority.authority import DeviceAuthority
from devkit.fleet.drills.small_traffic import COUNTRY_HEADER, SmallTraffic
from devkit.fleet.report import print_outcome
from devkit.fleet.run import SCENARIOS, Outcome, entrust_play_secrets, make_scene, register_apps, run_fleet, wake
from devkit.stack.stack import LocalStack


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="End after the table; exit 0 only if it is as expected.")
    ] = False,
    running: Annotated[
        bool, typer.Option("--running", help="Use the local stack that is running already; implies --once.")
    ] = False,
    story: Annotated[
        Story | None,
        typer.Option("--story", help="Tell a story instead, with measured seconds; ends by itself. Local stack only."),
    ] = None,
    runs: Annotated[int, typer.Option("--runs", min=1, max=100, help="How often the story is told.")] = 1,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Start the stack, register the sample app, run genuine and hostile devices against it, and say who got in.

    Exit code 0 only if every verdict is the expected one. A deployed stack (--stack) must be of a development stage
    and list this project's test root: DevelopmentTrustAnchors=$(bonafide local root).
    """
    stop_on_termination()
    layout = project_layout()
    require_stack_of_region(stack, region)
    started = None if running or stack else LocalStack(layout=layout, parameters={"CountryHeader": COUNTRY_HEADER})
    try:
        if started is not None:
            start(started)
        deployment = from_facts(started.facts) if started else find_deployment(stack, region, layout)
        if story is not None:
            if not tell_story(deployment, layout, runs=runs, as_json=as_json):
                raise typer.Exit(EXIT_FAILED)
            return
        outcome = _run(deployment, layout)
        if as_json:
            print_json(outcome.to_record())
        else:
            print_outcome(outcome, out())
        if started is not None and not once:
            _go_on(started, deployment, layout, as_json)
    finally:
        if started is not None:
            started.stop()
    if not outcome.as_expected:
        raise typer.Exit(EXIT_FAILED)


def _run(deployment: Deployment, layout: Layout) -> Outcome:
    register_apps(deployment)
    authority = DeviceAuthority.load_or_create(layout.authority)
    entrust_play_secrets(deployment, authority, layout.service_account)
    scene = make_scene(deployment, authority)
    console = err()
    with console.status("Waking the functions"):
        wake(scene)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[last]}"))
    bar = Progress(*columns, console=console, transient=True)
    with bar if console.is_terminal else nullcontext():
        task = bar.add_task("Running the fleet", total=len(SCENARIOS), last="")
        return run_fleet(scene, progress=lambda verdict: bar.update(task, advance=1, last=f"{verdict.scenario.device}"))


def _go_on(stack: LocalStack, deployment: Deployment, layout: Layout, as_json: bool) -> None:
    """Serve until Ctrl-C, with a small traffic, and the console in front of it."""
    scene = make_scene(deployment, DeviceAuthority.load_or_create(layout.authority))
    with serving(deployment, layout, app=DEMO_APP) as console, SmallTraffic(scene):
        if not as_json:
            out().print(Text.from_markup(_look(console.new_address()) if console.pages.built else _NO_PAGES))
            out().print(Text.from_markup(_what_next(deployment)))
        with printing_more(console, lambda address: out().print(f"The console: {address}")):
            serve(stack)


_NO_PAGES = """
[bold red]There is no console:[/] its pages are not built, as npm's registry could not be reached. `make console-pages`
tries again; everything else works."""


def _look(address: str) -> str:
    return f"""
[bold]Open the console[/] and see the devices, live. The address is good once, for ten minutes; Enter prints another:

  {address}"""


def _what_next(deployment: Deployment) -> str:
    verifier, guarded, bonafide = deployment.verifier_url, deployment.guarded_url, ".venv/bin/bonafide"
    return f"""
The stack goes on serving, and a few devices go on using it. In another terminal, be an app yourself:

  curl -s -X POST {verifier}/v1/challenges -d '{{"app":"demo"}}' \\
    | {bonafide} attest --challenge - > .local/attestation.json
  curl -s -X POST {verifier}/v1/attestations -d @.local/attestation.json
  curl -i {guarded}/v1/whoami                      [dim]# 401: no token; the one above gets 200 (docs/walkthrough.md)[/]

and the operator:

  {bonafide} app list                      [dim]# what is registered[/]
  {bonafide} incident list --app demo      [dim]# what detectors found: software phones look like a farm[/]
  {bonafide} signing-key list              [dim]# signing keys; `signing-key rotate` makes a new one[/]
  {bonafide} route report                  [dim]# requests that pass at each route, and those that would not[/]
  {bonafide} device-key block KEY          [dim]# refused within seconds; `device-key unblock` lets it in[/]
  {bonafide} demo --running                [dim]# the fleet once more[/]
  {bonafide} inspect .local/attestation.json   [dim]# what the evidence says, and why it would fail[/]
  curl -s {verifier}/.well-known/jwks.json

Ctrl-C stops everything."""
