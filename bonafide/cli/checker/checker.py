"""``bonafide checker``: the small server that nginx, Envoy, Traefik or Kong ask about each request."""

from __future__ import annotations

import os

import typer
from bonafide_tokens.checker.__main__ import run


def checker() -> None:
    """Answer a proxy's questions whether requests may pass, until SIGTERM. Set by environment variables.

    As `python -m bonafide_tokens.checker`, which needs no more than the package of tokens. docs/checker.md has them.
    """
    code = run(os.environ)
    if code:
        raise typer.Exit(code)
