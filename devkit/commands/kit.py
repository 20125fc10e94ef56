"""``bonafide kit``: scenarios for clients, and what a client does wrong in them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from bonafide.cli.terminal import EXIT_FAILED, AsJson, command_group, err, out, print_json, table
from devkit.commands.local import stop_on_termination
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.evidence_service import USUAL
from devkit.kit.catalogue import SCENARIOS
from devkit.kit.person import PersonsClient
from devkit.kit.run import Result, Theatre, play
from devkit.kit.scenario import Scenario

commands = command_group("Play scenarios to a client, and say what it does wrong.")

Platform = Annotated[str, typer.Option("--platform", metavar="NAME", help=f"Of the client: {', '.join(USUAL)}.")]
Names = Annotated[
    list[str] | None, typer.Option("--scenario", metavar="NAME", help="Only this one; may repeat. Default: all.")
]


@commands.command()
def scenarios(as_json: AsJson = False) -> None:
    """List the scenarios: what happens in each, and the rules that it is there for."""
    if as_json:
        print_json({one.name: {"does": one.does, "rules": list(one.rules)} for one in SCENARIOS.values()})
        return
    rows = ((one.name, one.does, ", ".join(one.rules)) for one in SCENARIOS.values())
    table(("scenario", "what happens", "rules"), rows)


@commands.command(context_settings={"allow_interspersed_args": False})
def run(
    client: Annotated[list[str], typer.Argument(metavar="CLIENT", help="The client's test program, after --.")],
    scenario: Names = None,
    platform: Platform = "android",
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where the program runs; default: here.", file_okay=False)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Play all scenarios to a client's test program. Exit code 1 if it broke a rule.

    The program gets one argument, a JSON file, reads a command per line and answers a line each: docs/client-kit.md.
    """
    stop_on_termination()
    chosen = _chosen(scenario or [])
    _require_platform(platform)
    theatre = Theatre(DeviceAuthority.create(), platform)
    with err().status("Playing") as status:
        results = list(_told(theatre.run(chosen, client, folder=folder), status.update))
    if as_json:
        print_json({"results": [result.to_record() for result in results]})
    else:
        print_results(results)
    if not all(result.passed for result in results):
        raise typer.Exit(EXIT_FAILED)


@commands.command()
def serve(
    scenario: Annotated[str, typer.Option("--scenario", metavar="NAME", help="Which one; see `scenarios`.")],
    platform: Platform = "android",
    config: Annotated[
        Path, typer.Option("--config", metavar="FILE", help="Where the client's configuration is written.")
    ] = Path("kit-client.json"),
    as_json: AsJson = False,
) -> None:
    """Serve one scenario to a client that you drive yourself: says what to do next, and at the end what was wrong.

    Virtual time is that of the client's Kit-Time headers. Ctrl-C ends it early.
    """
    stop_on_termination()
    (chosen,) = _chosen([scenario])
    _require_platform(platform)
    with Theatre(DeviceAuthority.create(), platform).stage() as (world, verifier, judge, members):
        person = PersonsClient(lambda text: err().print(text, markup=False, highlight=False), world)

        def start(_: object, settings: object) -> PersonsClient:
            config.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
            err().print(f"The client's configuration: {config}", markup=False)
            for place, url in sorted((place, url) for url, place in world.origins.items()):
                err().print(f"{place:10} {url}", markup=False, highlight=False)
            return person

        try:
            result = play(chosen, start, world, verifier, judge, members)
        except KeyboardInterrupt:
            result = Result(chosen, tuple(world.findings), len(world.log))
    if as_json:
        print_json(result.to_record())
    else:
        print_results([result])
    if not result.passed:
        raise typer.Exit(EXIT_FAILED)


def print_results(results: Iterable[Result]) -> None:
    """The table, and below it what each finding says."""
    results = list(results)
    rows = (
        (one.scenario.name, "passed" if one.passed else "failed", str(one.requests), ", ".join(one.rules))
        for one in results
    )
    table(("scenario", "result", "requests", "violated rules"), rows)
    for one in results:
        for finding in one.findings:
            out().print(f"{one.scenario.name}: {finding.rule.value}: {finding.detail}", markup=False, highlight=False)
    failed = sum(1 for one in results if not one.passed)
    out().print(f"{len(results)} scenarios, {failed} failed.")


def _told(results: Iterable[Result], say: object) -> Iterable[Result]:
    for number, result in enumerate(results, 1):
        if callable(say):
            say(f"{number}: {result.scenario.name}")
        yield result


def _chosen(names: list[str]) -> list[Scenario]:
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        raise typer.BadParameter(f"There is no scenario {unknown[0]!r}. bonafide kit scenarios lists them.")
    return [SCENARIOS[name] for name in names] or list(SCENARIOS.values())


def _require_platform(platform: str) -> None:
    if platform not in USUAL:
        raise typer.BadParameter(f"{platform!r} is none of {', '.join(USUAL)}.", param_hint="--platform")
