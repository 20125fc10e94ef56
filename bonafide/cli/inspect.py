"""``bonafide inspect``: what evidence says, and why it would be refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from bonafide.cli.terminal import EXIT_FAILED, AsJson, print_json, print_tree


def inspect(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="Any evidence: a case, a request body, an attestation object, … or `-` for a pipe."
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Show what evidence says; where it can be judged, whether it verifies, and if not, at which step and why.

    Exit code 1 when it cannot be read or is refused.
    """
    from bonafide.inspect.inspection import (  # loads every verifier; other commands need none
        MAX_INPUT_BYTES,
        inspect_evidence,
    )

    # One byte more than is looked at: enough to see that it is too large.
    inspection = inspect_evidence(_read(file, MAX_INPUT_BYTES + 1))
    if as_json:
        print_json(inspection.to_record())
    else:
        print_tree(inspection.render())
    verdict = inspection.content.get("verdict")
    refused = isinstance(verdict, dict) and verdict.get("outcome") != "verified"
    if refused or "unreadable" in inspection.content:
        raise typer.Exit(EXIT_FAILED)


def _read(file: Path, size: int) -> bytes:
    if str(file) == "-":
        return sys.stdin.buffer.read(size)
    with file.open("rb") as stream:
        return stream.read(size)
