"""Every decision of the verifier functions is counted: tally lines, as the authorizer writes them.

The format: :mod:`bonafide_tokens.counting.tally` and docs/threat-view.md. Best effort, as all logging: it never fails a
request.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from itertools import count
from threading import Lock
from typing import Final

from bonafide_tokens.counting.tally import Cell, Tally

from service.telemetry.metric_sums import MetricSums
from service.telemetry.metrics import kept_fields

SOURCES: Final = frozenset({"enrol", "renew", "signal", "secret", "challenge", "beacon"})
"""Those whose tally lines are read. What else there may be very many of (failures of other services) is only listed by
the same rules."""
_lock: Final = Lock()
_numbers: Final = count(1)


def count_decision(
    source: str, *, at: float, app: str, outcome: str, why: str = "", facts: Iterable[str] = (), key_id: str = ""
) -> int:
    """Count a decision made at ``at`` (Unix seconds), and say for how many it stands where such decisions are listed; 0
    where it is not to be listed, because very many came before it in the same two seconds.

    ``source`` is ``enrol``, ``renew``, ``signal``, ``secret``, ``challenge`` or ``beacon``; ``outcome`` is
    ``accepted``, ``refused`` or ``unavailable``, for challenges also ``issued`` and ``returned`` (with a renewal), for
    beacons ``reported``; ``why`` the reason of a refusal, or ``rule:`` and the rule of the policy that decided.
    ``facts`` are those of the source, all of them in their order: platform, app build, OS and model, then, but for
    beacons, country; none for challenges. Each may be empty, and a client's own word: long ones are cut, and their
    number is bounded.
    """
    try:
        with _lock:
            return tally(source).count(at, Cell(app, outcome, why, tuple(facts)), key_id)
    except Exception:  # a full disk or a closed pipe must not cost a client its token
        return 1


@cache
def sums() -> MetricSums:
    """The metrics that are written with this process' tally lines."""
    return MetricSums()


@cache
def tally(source: str) -> Tally:
    """This process' tally of a source."""
    return Tally(source, _write_all if source in SOURCES else _write_metrics, _head)


def forget_counts() -> None:
    """Begin anew, as a new process does."""
    tally.cache_clear()
    sums.cache_clear()
    _process.cache_clear()


def _head(_at: int) -> dict[str, object]:
    return {**kept_fields(), "message": "tally", "id": f"{_process()}-{next(_numbers)}"}


@cache
def _process() -> str:
    """This process' name, drawn for its first line: what is drawn earlier may be in a snapshot from which many
    processes begin."""
    return os.urandom(8).hex()


def _write_all(line: str) -> None:
    _write(line)
    _write_metrics(line)


def _write_metrics(_line: str) -> None:
    with suppress(Exception):
        sums().write(_write)


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
