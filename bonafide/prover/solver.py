"""Whether the solver is installed. Nothing is loaded here: commands that prove nothing do not wait for it."""

from __future__ import annotations

from importlib import import_module

from bonafide.operator.errors import OperatorError


class SolverMissing(OperatorError):
    """There is no solver on this machine. The message says what to do."""


def require_solver() -> None:
    """Load z3. Raises :class:`SolverMissing`."""
    try:
        import_module("z3")
    except Exception as error:  # without its library for this machine, the package raises what it likes
        raise SolverMissing(
            "The solver z3 is not installed, so nothing was proved: `pip install z3-solver`, or leave proofs out with "
            "--no-proofs."
        ) from error
