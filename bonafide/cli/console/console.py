"""``bonafide console``: a page on this machine, for one stack, with the operator's own credentials."""

from __future__ import annotations

import json
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, Region, StackName, err, out
from bonafide.console.console import Console
from bonafide.console.server import ConsoleServer
from bonafide.operator.deployment import Deployment, find_deployment, require_stack_of_region
from bonafide.operator.layout import DEFAULT_PORT, Layout, is_free

PAGES: Final = Path("console")
"""Below ``.local``: where ``make console-pages`` builds to."""
PORT: Final = DEFAULT_PORT + 8
"""After the ports of the local stack and its edge."""


def console(
    app: Annotated[str | None, typer.Option("--app", metavar="APP", help="The app to show first.")] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="PORT", min=1024, max=65_535, help=f"Default: {PORT}, or a free one."),
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open it in this machine's browser.")] = False,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Serve the console of a stack on 127.0.0.1 until Ctrl-C, with your own AWS credentials.

    Its address is good once, and for ten minutes; Enter prints another. --json prints each as a line of JSON.
    """
    require_stack_of_region(stack, region)
    layout = project_layout()
    deployment = find_deployment(stack, region, layout)
    with serving(deployment, layout, port=port, app=app) as served:
        _say(served, as_json)
        if open_it:
            webbrowser.open(served.new_address())
        threading.Thread(target=_print_more, args=(served, as_json), daemon=True).start()
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            err().print("Stopping.")


@contextmanager
def serving(
    deployment: Deployment, layout: Layout, *, port: int | None = None, app: str | None = None
) -> Iterator[Console]:
    """Serve the console of a deployment until the block ends. Raises
    :class:`~bonafide.operator.layout.LocalStackError` for a port that is taken."""
    server = ConsoleServer(port or (PORT if is_free(PORT) else 0))
    served = Console.of(
        deployment,
        port=server.port,
        pages=layout.root / ".local" / PAGES,
        decisions=layout.decisions,
        app=app,
    )
    server.start(served.answer)
    try:
        yield served
    finally:
        served.end()
        server.stop()


def print_more(served: Console, say: Callable[[str], None]) -> None:
    """Print a new address for each line on standard input, until that ends."""
    for _ in sys.stdin:
        say(served.new_address())


def _print_more(served: Console, as_json: bool) -> None:
    print_more(served, lambda address: _print(address, as_json))


def _say(served: Console, as_json: bool) -> None:
    if not as_json:
        out().print(f"The console of stack {served.deployment.stack_name}. Treat this address like a password:\n")
    _print(served.new_address(), as_json)
    if not as_json:
        out().print("\nIt is good once, and for ten minutes. Enter prints a new one, Ctrl-C ends the console.")
        if not served.pages.built:
            err().print("The pages are not built: run `make console-pages`, then this command again.")


def _print(address: str, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({"address": address}) + "\n")
        sys.stdout.flush()
    else:
        out().print(f"  {address}")
