"""``bonafide local up --regions`` and ``bonafide local replication``: several regions on this machine."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer
from service.regions.names import is_region_name

from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, err, out, print_json
from bonafide.operator.layout import Layout, Ports
from devkit.regions.controls import LONGEST_DELAY, Controls, controls_file, read_controls, write_controls
from devkit.regions.region_stacks import Place, RegionStacks

_LOOK: Final = 0.5
_ROW: Final = 10
"""From one region's first port to the next one's; seven are used, the edge's is the eighth, KMS has the ninth."""


def up_regions(text: str, parameters: Mapping[str, str], *, as_json: bool) -> None:
    """Start a stack for each region that `text` names, and serve until Ctrl-C. Raises
    :class:`~bonafide.operator.layout.LocalStackError` when a part of one is gone."""
    names = text.split(",")
    if len(names) < 2 or len(set(names)) < len(names) or not all(map(is_region_name, names)):
        raise typer.BadParameter("name two or more, as in eu,us.", param_hint="--regions")
    root = Layout.of_this_project()
    first = Ports.from_environment().verifier
    places = {
        name: Place(Layout(root.root, root.stacks / name), _alone(Ports.in_a_row(first + number * _ROW)))
        for number, name in enumerate(names)
    }
    stacks = RegionStacks(places, kms_port=first + 8, parameters=parameters)
    file = controls_file(root)
    try:
        with err().status("Starting the regions") as status:
            stacks.start(say=status.update)
        write_controls(file, Controls(delay=stacks.delay))
        _told(stacks, as_json=as_json)
        while True:
            time.sleep(_LOOK)
            read_controls(file).set_on(stacks.replicator)
            for stack in stacks.stacks.values():
                stack.require_running()
    except KeyboardInterrupt:
        err().print("Stopping.")
    finally:
        stacks.stop()
        file.unlink(missing_ok=True)


def replication(
    delay: Annotated[
        float | None,
        typer.Option("--delay", metavar="SECONDS", min=0, max=LONGEST_DELAY, help="From a write to its copies."),
    ] = None,
    cut: Annotated[bool | None, typer.Option("--cut/--join", help="Part the regions, or put an end to that.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show or change how rows are copied between the regions of ``bonafide local up --regions``."""
    file = controls_file(project_layout())
    found = read_controls(file)
    wanted = Controls(found.delay if delay is None else delay, found.cut if cut is None else cut)
    if wanted != found:
        write_controls(file, wanted)
    if as_json:
        print_json({"delay": wanted.delay, "cut": wanted.cut})
    elif wanted.cut:
        out().print("The regions are apart: nothing is copied, and nothing is lost.")
    else:
        out().print(f"Rows reach the other regions {wanted.delay:g} s after they were written.")


def _alone(ports: Ports) -> Ports:
    """Without the example stack's."""
    return Ports(ports.verifier, ports.guarded, ports.aws, ports.functions)


def _told(stacks: RegionStacks, *, as_json: bool) -> None:
    if as_json:
        facts: dict[str, Any] = {name: stack.facts for name, stack in stacks.stacks.items()}
        print_json({"regions": facts, "delay": stacks.delay})
        return
    for name, stack in stacks.stacks.items():
        out().print(f"{name}: verifier {stack.verifier_url}, guarded {stack.guarded_url}, AWS {stack.aws_endpoint_url}")
    out().print(f"Other commands  bonafide --name {next(iter(stacks.stacks))} …, and so on for each region")
    out().print("Replication     bonafide local replication --delay 5, --cut, --join")
    out().print("Ctrl-C stops everything; all state but the devices' test root goes with it.")
