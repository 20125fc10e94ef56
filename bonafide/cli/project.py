"""Where the command works: this checkout, and the folder its stack and devices live in."""

from __future__ import annotations

import os
from collections.abc import Callable

import typer

from bonafide.operator.layout import NAME_VARIABLE, PORT_VARIABLE, Layout


def project_layout() -> Layout:
    """The checkout's layout, with the folder of the local stack that the person means (`bonafide --name`, or the
    variables that :meth:`~bonafide.operator.layout.Layout.from_environment` reads)."""
    return Layout.from_environment()


def mean_local_stack(context: typer.Context, *, name: str | None = None, port: int | None = None) -> None:
    """From now on, and until the command ends, mean the local stack of this name and first port; ``None`` changes
    nothing. Raises :class:`~bonafide.operator.layout.LocalStackError`."""
    for variable, value in ((NAME_VARIABLE, name), (PORT_VARIABLE, port)):
        if value is not None:
            context.call_on_close(_restoring(variable))
            os.environ[variable] = str(value)
    if name is not None:
        project_layout()  # which judges the name


def _restoring(variable: str) -> Callable[[], None]:
    before = os.environ.get(variable)

    def restore() -> None:
        if before is None:
            os.environ.pop(variable, None)
        else:
            os.environ[variable] = before

    return restore
