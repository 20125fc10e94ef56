"""``bonafide console``: a page on this machine, for one stack, with the operator's own credentials."""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from html import escape
from pathlib import Path
from types import FrameType
from typing import Annotated, Final
from urllib.parse import urlsplit

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

_LOOK: Final = 0.5


def console(
    app: Annotated[str | None, typer.Option("--app", metavar="APP", help="The app to show first.")] = None,
    port: Annotated[
        int | None,
        typer.Option("--port", metavar="PORT", min=1024, max=65_535, help=f"Default: {PORT}, or another that is free."),
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
    signal.signal(signal.SIGTERM, _interrupt)
    layout = project_layout()
    deployment = find_deployment(stack, region, layout)
    with serving(deployment, layout, port=port, app=app) as served, ExitStack() as until_the_end:
        try:
            _say(served, as_json)
            if open_it:
                until_the_end.enter_context(opened(served.new_address(), layout.root / ".local"))
            with printing_more(served, lambda address: _print(address, as_json)):
                threading.Event().wait()
        except KeyboardInterrupt:  # from the first address on: one may come before the wait begins
            err().print("Stopping.")


@contextmanager
def serving(
    deployment: Deployment, layout: Layout, *, port: int | None = None, app: str | None = None
) -> Iterator[Console]:
    """Serve the console of a deployment until the block ends. Raises
    :class:`~bonafide.operator.layout.LocalStackError` for a port that is taken."""
    usual = _usual_port(deployment)
    server = ConsoleServer(port or (usual if is_free(usual) else 0))
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


@contextmanager
def opened(address: str, folder: Path) -> Iterator[None]:
    """Open an address in this machine's browser, through a file in ``folder`` that is there until the block ends and
    that this user alone can read.

    The attack: another user of the machine. The list of processes shows everyone what a browser is started with, and
    who is quicker with the secret has the session.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=folder, prefix="console-", suffix=".html", encoding="utf-8") as page:
        page.write(
            '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
            f'<meta http-equiv="refresh" content="0;url={escape(address)}"><title>Bonafide console</title>'
            f'<p><a href="{escape(address)}">The console</a></p></html>\n'
        )
        page.flush()
        webbrowser.open(Path(page.name).resolve().as_uri())
        yield


@contextmanager
def printing_more(served: Console, say: Callable[[str], None]) -> Iterator[None]:
    """Until the block ends, say a new address for each line on standard input."""
    ended = threading.Event()
    thread = threading.Thread(target=_print_more, args=(served, say, ended), daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _print_more(served: Console, say: Callable[[str], None], ended: threading.Event) -> None:
    try:
        source = sys.stdin.fileno()
    except (OSError, ValueError, AttributeError):
        return  # there is no standard input
    while not ended.is_set():
        if not select.select([source], [], [], _LOOK)[0]:
            continue
        if os.isatty(source) and os.tcgetpgrp(source) != os.getpgrp():
            ended.wait(_LOOK)  # in the background: reading would stop the whole process
            continue
        lines = os.read(source, 4096)
        if not lines:
            return
        if b"\n" in lines:
            say(served.new_address())


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _usual_port(deployment: Deployment) -> int:
    """The ninth in the row of a local stack's ports."""
    if not deployment.is_local:
        return PORT
    return (urlsplit(deployment.verifier_url).port or DEFAULT_PORT) + PORT - DEFAULT_PORT


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
