"""``bonafide simulate``: a scenario with up to a hundred million phones, and what breaks first."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, err, out, print_json, table
from bonafide.operator.errors import OperatorError

if TYPE_CHECKING:  # numpy takes a third of a second, which no other command shall wait for
    from devkit.simulation.run import Run

MOST_PHONES: Final = 1_000_000_000


def simulate(
    scenario: Annotated[str, typer.Argument(help="Which one; --list names them.")] = "",
    show_list: Annotated[bool, typer.Option("--list", help="Say what scenarios there are.")] = False,
    phones: Annotated[
        int, typer.Option("--phones", min=100, max=MOST_PHONES, help="Phones that have the app. Above 10⁶: cohorts.")
    ] = 100_000,
    seed: Annotated[int, typer.Option("--seed", help="The same seed draws the same phones.")] = 1,
    limits: Annotated[
        Path | None, typer.Option("--limits", help="JSON with limits and throttles of your account and stack.")
    ] = None,
    raised: Annotated[
        bool, typer.Option("--raised", help="The raised limits of docs/simulator.md instead of the defaults.")
    ] = False,
    grace: Annotated[
        int,
        typer.Option("--grace", min=0, max=3600, help="Seconds over which --now refuses what it does not name."),
    ] = 0,
    pace: Annotated[
        float, typer.Option("--pace", min=0, help="EnrolmentPace of the stack: enrolments a second, 0 for any.")
    ] = 0.0,
    life: Annotated[int, typer.Option("--life", min=60, max=3600, help="Seconds that tokens live.")] = 300,
    memory: Annotated[
        int, typer.Option("--memory", min=0, max=10, help="AppMemorySeconds of the stack; 0 is half a second.")
    ] = 0,
    folder: Annotated[Path | None, typer.Option("--out", help="Folder for the curve, as CSV and as a picture.")] = None,
    as_json: AsJson = False,
) -> None:
    """Play a scenario with many phones against the limits of AWS and of the template, and say what breaks first.

    Nothing is started and no request is sent: phones follow the rules of the client libraries, and a stack answers as
    its limits let it. docs/simulator.md says what is measured in it and what is assumed.
    """
    from devkit.simulation import models  # numpy comes with it
    from devkit.simulation.drawing import picture
    from devkit.simulation.report import curve, summary
    from devkit.simulation.run import simulate as play
    from devkit.simulation.scenarios import SCENARIOS

    if show_list or not scenario:
        _list({name: each.about for name, each in SCENARIOS.items()}, as_json)
        return
    if scenario not in SCENARIOS:
        raise typer.BadParameter(f"There is no scenario {scenario!r}. bonafide simulate --list names them.")
    if raised and limits is not None:
        raise typer.BadParameter("--raised and --limits both say what the limits are. Name one.")
    model = models.model(
        project_layout().root / "template.yaml",
        limits=limits,
        raised=raised,
        grace=grace,
        pace=pace,
        life=life,
        remembered=memory,
    )
    began = time.monotonic()
    run = _played(lambda say: play(scenario, SCENARIOS[scenario], phones, model, seed=seed, progress=say), scenario)
    found = summary(run, model.services)
    found["run"] = {
        "seconds": round(time.monotonic() - began, 1),
        "mebibytes": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    found["assumptions"] = [*model.limits.assumptions]
    if folder is not None:
        files = {"csv": curve(run), "svg": picture(run, f"{scenario}, {phones:,} phones")}
        found["files"] = _written(folder, f"{scenario}-{phones}", files)
    if as_json:
        print_json(found)
    else:
        _print(found, SCENARIOS[scenario].assumes, len(model.limits.assumptions))


def _list(about: Mapping[str, str], as_json: bool) -> None:
    if as_json:
        print_json(about)
    else:
        table(("scenario", "what happens"), about.items())


def _played(play: Any, scenario: str) -> Run:
    console = err()
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"Playing {scenario}", total=1.0)
        run: Run = play(lambda share: bar.update(task, completed=share))
    return run


def _written(folder: Path, name: str, files: Mapping[str, str]) -> list[str]:
    """The names of the files. Raises :class:`OperatorError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for end, text in files.items():
            (folder / f"{name}.{end}").write_text(text, "utf-8")
    except OSError as error:
        raise OperatorError(f"{folder} cannot be written to: {error.strerror}.") from error
    return [str(folder / f"{name}.{end}") for end in files]


def _print(found: Mapping[str, Any], assumes: str, assumptions: int) -> None:
    rates = [(name, rate["mean"], rate["most"]) for name, rate in found["requests_a_second"].items()]
    guarded = found["guarded_a_second"]
    rows = [
        (name, f"{mean:,.1f}", f"{most:,.1f}")
        for name, mean, most in [*rates, ("guarded calls", guarded["mean"], guarded["most"])]
    ]
    table(("route", "requests a second, mean", "most"), rows, title=f"{found['scenario']}, {found['phones']:,} phones")
    token, first = found["token_seconds"], found["first_token_seconds"]
    dollars = found["dollars_a_day"]
    facts = [
        ("breaks first", found["breaks_first"]),
        ("turned away", f"{found['throttled']:.3%}"),
        ("attempts for each token", f"{found['attempts']:.3f}"),
        ("storm", "yes" if found["storm"] else "no"),
        ("hot partition", f"{'yes' if found['hot_partition'] else 'no'}: {found['hot_reads_a_second']:,.0f} reads/s"),
        ("seconds to a renewed token", f"p50 {token['p50']:.2f}, p99 {token['p99']:.2f}, max {token['max']:.1f}"),
        ("calls that failed", f"{found['failed_calls']:.3%}"),
        ("functions at once, most", f"{found['concurrency']:,.1f}"),
        ("dollars a day, at this rate", f"{sum(dollars.values()):,.2f} (guarded calls {dollars['guarded']:,.2f})"),
    ]
    if found["installs"]:
        seconds = f"p50 {first['p50']:.2f}, p99 {first['p99']:.2f}, max {first['max']:.1f}"
        facts.insert(6, ("seconds to a first token", seconds))
        facts.insert(7, ("lost installs", f"{found['lost_installs']:,.0f} of {found['installs']:,.0f}"))
    if "seconds_to_refusal" in found:
        times = found["seconds_to_refusal"]
        text = f"p50 {times['p50']:.1f}, p99 {times['p99']:.1f}, max {times['max']:.1f}"
        facts.append(("seconds until hostile keys are refused", text))
    if found["calls_renewed_for"]:
        facts.append(("calls that the gate sent back once", f"{found['calls_renewed_for']:,.0f}"))
    table(("", found["method"]), facts)
    limits = sorted(found["limits"].items(), key=lambda item: -item[1]["asked"])
    rows = [(name, f"{each['asked']:.1%}", f"{each['refused']:,.0f}") for name, each in limits]
    table(("limit", "asked for at most", "requests turned away"), rows)
    if assumes:
        out().print(assumes)
    took = found["run"]
    out().print(
        f"{took['seconds']:.0f} s, {took['mebibytes']:,} MiB. {assumptions} limits are AWS's word and were never met "
        "here; --json names them."
    )
    for name in found.get("files", ()):
        out().print(name)
