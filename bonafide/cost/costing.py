"""Cost per million requests of each path: amounts that were measured, times list prices.

``measured.json`` is written by ``python -m tests.costs``, from real requests through the real functions; a test
measures again. ``prices.json`` has the prices of one region, with their date and source, and what cannot be measured
without AWS: how long a round trip to DynamoDB takes, or an answer of Google's, and the log lines that Lambda and API
Gateway add themselves.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bonafide.operator.errors import OperatorError

HERE: Final = Path(__file__).parent
MILLION: Final = 1_000_000
_GB: Final = 1024**3
PARTS: Final = ("gateway", "lambda", "dynamodb", "logs", "archive", "sent", "kms")
"""The columns of the table: API Gateway, Lambda, DynamoDB, CloudWatch Logs, the archive of decisions, data transfer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Amounts:
    """What one request takes. ``log_bytes`` and ``log_lines`` are what the function writes, ``archived_bytes`` the part
    of it that is kept as a decision, ``processor_ms`` its processor time without waiting, and ``round_trips`` how
    often it waits for a service of AWS."""

    function: str
    memory_mb: int
    processor_ms: float
    round_trips: int
    read_units: float
    write_units: float
    log_bytes: int
    log_lines: int
    archived_bytes: int
    sent_bytes: int
    gateway_requests: int = 1
    kms_requests: int = 0
    google_requests: int = 0


_MEMBERS: Final = "region, as_of, source, dollars and assumed"


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars by unit, and what is assumed, of one region."""

    region: str
    as_of: str
    source: str
    dollars: Mapping[str, float]
    assumed: Mapping[str, float]

    @classmethod
    def read(cls, path: Path | None = None) -> Prices:
        """Those in a file, by default the ones that come with the command. Raises :class:`OperatorError`."""
        path = path or HERE / "prices.json"
        try:
            found = cls(**json.loads(path.read_text("utf-8")))
        except (OSError, RecursionError, TypeError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else f"it is no JSON object with {_MEMBERS}"
            raise OperatorError(f"{path} has no prices: {said}.") from error
        own = json.loads((HERE / "prices.json").read_text("utf-8"))
        for name in ("dollars", "assumed"):
            given: Any = getattr(found, name)
            numbers = isinstance(given, dict) and all(_is_amount(value) for value in given.values())
            if not numbers or given.keys() != own[name].keys():
                raise OperatorError(f"{path} needs {name} with exactly these numbers: {', '.join(own[name])}")
        return found


def _is_amount(value: object) -> bool:
    """JSON as Python reads it has NaN and Infinity, too, and takes true for a number elsewhere."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def measured_paths() -> dict[str, Amounts]:
    """The paths by name, as they were measured."""
    return {name: Amounts(**amounts) for name, amounts in _measured()["paths"].items()}


def measured_rows() -> dict[str, int]:
    """Bytes of the rows by kind, as they were measured: the largest of each."""
    rows: dict[str, int] = _measured()["rows"]
    return rows


def per_million(amounts: Amounts, prices: Prices) -> dict[str, float]:
    """Dollars for a million requests, by :data:`PARTS`."""
    dollars, assumed = prices.dollars, prices.assumed
    slower = max(1.0, assumed["full_processor_mb"] / amounts.memory_mb)  # a share of a processor comes with memory
    waited = amounts.round_trips * assumed["round_trip_ms"] + amounts.google_requests * assumed["google_ms"]
    seconds = (amounts.processor_ms * slower + waited) / 1000
    logged = (
        amounts.log_bytes
        + amounts.log_lines * assumed["log_event_bytes"]
        + assumed["platform_log_bytes"]
        + amounts.gateway_requests * assumed["access_log_bytes"]
    )
    one = {
        "gateway": amounts.gateway_requests * dollars["rest_request"],
        "lambda": dollars["lambda_request"] + seconds * amounts.memory_mb / 1024 * dollars["lambda_gb_second"],
        "dynamodb": amounts.write_units * dollars["write_unit"] + amounts.read_units * dollars["read_unit"],
        "logs": logged / _GB * dollars["logged_gb"],
        "archive": amounts.archived_bytes / _GB * dollars["archived_gb"],
        "sent": amounts.sent_bytes / _GB * dollars["sent_gb"],
        "kms": amounts.kms_requests * dollars["kms_request"],
    }
    return {part: one[part] * MILLION for part in PARTS}


def stored_per_million(size: int, prices: Prices) -> float:
    """Dollars a month for a million rows of ``size`` bytes: DynamoDB adds 100 to each."""
    return (size + 100) * MILLION / _GB * prices.dollars["stored_gb_month"]


def path_tables(prices: Prices) -> str:
    """The tables of docs/costs.md about paths and rows."""
    paths = [
        [name, *(f"{cost:.2f}" for cost in costs.values()), f"**{sum(costs.values()):.2f}**"]
        for name, amounts in measured_paths().items()
        for costs in [per_million(amounts, prices)]
    ]
    taken = [
        [
            name,
            f"`{a.function}`",
            f"{a.round_trips}",
            f"{a.read_units:g}",
            f"{a.write_units:g}",
            f"{a.log_bytes:,}",
            f"{a.sent_bytes:,}",
            f"{a.processor_ms:.1f}",
        ]
        for name, a in measured_paths().items()
    ]
    rows = [[kind, f"{size:,}", f"{stored_per_million(size, prices):.2f}"] for kind, size in measured_rows().items()]
    return "\n".join(
        (
            *markdown_table(
                ("a million of", "API Gateway", "Lambda", "DynamoDB", "logs", "archive", "sent", "KMS", "$"), paths
            ),
            "",
            *markdown_table(
                ("one", "function", "round trips", "read units", "write units", "bytes logged", "bytes sent", "own ms"),
                taken,
            ),
            "",
            *markdown_table(("row", "bytes", "a million of them, $ a month"), rows),
            "",
        )
    )


def markdown_table(heads: Iterable[str], rows: Iterable[list[str]]) -> list[str]:
    """The lines of a table, its first column of words, the others of numbers."""
    lines = [list(heads), *rows]
    rule = "|".join(["---", *["---:"] * (len(lines[0]) - 1)])
    head, *body = (f"| {' | '.join(cells)} |" for cells in lines)
    return [head, f"|{rule}|", *body]


def _measured() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HERE / "measured.json").read_text("utf-8"))
    return found
