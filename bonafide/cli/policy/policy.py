"""``bonafide policy``: write appraisal and client policies, and find their errors before they are published."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bonafide.cli.terminal import AsJson, command_group, out, print_json, table
from bonafide.policies.starters import copy_starter, starters

commands = command_group("Write, check, publish and replay policies.")

DraftPath = Annotated[
    Path,
    typer.Argument(metavar="DRAFT", help="A folder with appraisal.cedar and/or client.json, or one such file."),
]


@commands.command("init")
def init(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The starter policy; without it, a list.")] = None,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="DIR", help="Where to write it; default: a folder of its name.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Begin a draft with a copy of a starter policy. Without NAME: list the starter policies."""
    if name is None:
        known = starters()
        if as_json:
            print_json(known)
        else:
            table(("starter", "for"), known.items())
        return
    written = [str(path) for path in copy_starter(name, Path(name) if to is None else to)]
    if as_json:
        print_json({"written": written})
    else:
        out().print(f"Written: {', '.join(written)}")
