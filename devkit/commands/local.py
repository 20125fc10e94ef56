"""``bonafide local``: the whole stack on this machine."""

from __future__ import annotations

import base64
import signal
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from bonafide.cli.project import mean_local_stack, project_layout
from bonafide.cli.terminal import AsJson, command_group, err, out, print_json
from devkit.commands.regions import replication, up_regions
from devkit.devices.authority.authority import DeviceAuthority
from devkit.edge.local_edge import LocalEdge
from devkit.stack.own_stack import OwnStack
from devkit.stack.stack import LocalStack

commands = command_group("Run the whole stack on this machine.")


@commands.command()
def up(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="A name, for more than one stack; its state has its own folder."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="PORT", min=1024, max=65_529, help="The first of seven ports in a row."),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", metavar="NAME=VALUE", help="A parameter of the template; may repeat."),
    ] = None,
    beside: Annotated[
        Path | None,
        typer.Option("--with", metavar="TEMPLATE", help="A SAM template of your own to run beside it, or its folder."),
    ] = None,
    own_parameter: Annotated[
        list[str] | None,
        typer.Option("--with-parameter", metavar="NAME=VALUE", help="A parameter of that template; may repeat."),
    ] = None,
    edge: Annotated[
        bool, typer.Option("--edge", help="Put the edge in front, and refuse what does not come through it.")
    ] = False,
    regions: Annotated[
        str | None,
        typer.Option("--regions", metavar="NAME,NAME", help="A whole stack for each of these regions, rows copied."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Start the stack on 127.0.0.1 and serve until Ctrl-C. No Docker, no AWS account.

    A stack without a name goes by its --port, where that is not 8700. Other commands find it by `bonafide --name`.
    """
    mean_local_stack(context, name=name, port=port)
    stop_on_termination()
    layout, parameters = project_layout(), _parameters(parameter or [], "--parameter")
    own_parameters = _parameters(own_parameter or [], "--with-parameter")
    if own_parameters and beside is None:
        raise typer.BadParameter("there is no template that it could be for.", param_hint="--with-parameter")
    if regions is not None:
        if name or beside is not None or edge:
            raise typer.BadParameter(
                "regions go by their names, and without --with and --edge.", param_hint="--regions"
            )
        up_regions(regions, parameters, as_json=as_json)
        return
    own = None if beside is None else OwnStack(layout, beside, own_parameters)
    stack = LocalStack(layout=layout, parameters=parameters, beside=own)
    if edge:
        stack.edge = LocalEdge(layout.root, stack.ports.edge)
    try:
        start(stack)
        if as_json:
            print_json(stack.facts)
        else:
            out().print(f"Verifier API  {stack.verifier_url}")
            out().print(f"Guarded API   {stack.guarded_url}/v1/whoami")
            if stack.edge is not None:
                out().print(f"Edge          {stack.edge.url}, in front of both: call them here")
            for name, urls in stack.facts["examples"].items():
                out().print(f"{name}: {', '.join(f'{api} {url}' for api, url in urls.items())}")
            if stack.facts["beside"]:
                _print_beside(stack.facts["beside"])
            out().print(f"AWS stand-in  {stack.aws_endpoint_url}")
            if stack.layout.name:
                out().print(f"Other commands  bonafide --name {stack.layout.name} …")
            out().print("Ctrl-C stops everything; all state but the devices' test root goes with it.")
        serve(stack)
    finally:
        stack.stop()


commands.command()(replication)


@commands.command()
def root(as_json: AsJson = False) -> None:
    """Print the software devices' test root, as the template's parameter DevelopmentTrustAnchors takes it."""
    authority = DeviceAuthority.load_or_create(project_layout().authority)
    text = base64.b64encode(authority.root_certificate).decode("ascii")
    if as_json:
        print_json({"development_trust_anchors": text, "pem": authority.root_certificate_pem})
    else:
        out().print(text)


def start(stack: LocalStack) -> None:
    """Bring a stack up, saying on standard error what is being done."""
    with err().status("Starting the local stack") as status:
        stack.start(say=status.update)


def serve(stack: LocalStack) -> None:
    """Return at Ctrl-C or SIGTERM: how a server that did its work ends. Raises
    :class:`~bonafide.operator.layout.LocalStackError` when a part of the stack is gone."""
    try:
        stack.serve()
    except KeyboardInterrupt:
        err().print("Stopping.")


def stop_on_termination() -> None:
    """Make SIGTERM end a command as Ctrl-C does, so that the stack's processes end with it."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _print_beside(facts: Mapping[str, Any]) -> None:
    """What of a template of one's own runs, where, and what does not."""
    out().print(f"Beside it: {facts['template']}")
    for api, url in facts["apis"].items():
        out().print(f"  {api}  {url}")
    for kind, count in Counter(facts["runs"].values()).items():
        out().print(f"  runs: {count} {kind}")
    for logical_id, why in facts["skipped"].items():
        out().print(f"  not here: {logical_id}, {why}")
    for note in facts["notes"]:
        out().print(f"  note: {note}")


def _parameters(texts: list[str], option: str) -> dict[str, str]:
    parameters = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE.", param_hint=option)
        parameters[name] = value
    return parameters
