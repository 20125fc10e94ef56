"""One line per call, with names, sizes and numbers: nothing of a prompt, an answer, a key, a token or a query.

Of very many refusals in two seconds some are listed, each with its ``weight``; every call that was made is.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime

from bonafide_tokens.errors import BonafideError
from service.errors import Unavailable
from service.relay.reasons import RelayReason, RelayRefused
from service.relay.relay import RelayRecord
from service.telemetry.decisions import count, log_unexpected
from service.telemetry.metrics import kept_level, stack_name
from service.telemetry.tally_lines import count_decision, sums

_UPSTREAMS_FAULT = frozenset(RelayReason) - {
    RelayReason.UPSTREAM_UNKNOWN,
    RelayReason.ROUTE_UNKNOWN,
    RelayReason.QUERY_REFUSED,
    RelayReason.HEADER_REFUSED,
    RelayReason.BODY_MALFORMED,
    RelayReason.BODY_TOO_LARGE,
    RelayReason.MODEL_UNKNOWN,
    RelayReason.ASK_TOO_LARGE,
    RelayReason.BUDGET_OF_KEY,
    RelayReason.BUDGET_OF_APP,
}


def log_relay(record: RelayRecord, error: Exception | None) -> None:
    """The line of a call that has ended, and its metrics. ``error`` is why it failed."""
    reason, detail = _why(error)
    outcome = "accepted" if error is None else "refused"
    if isinstance(error, Unavailable) or (isinstance(error, RelayRefused) and error.reason in _UPSTREAMS_FAULT):
        outcome = "unavailable"
    sums().count(f"Relay{outcome.capitalize()}")
    weight = count_decision("relay", at=time.time(), app=record.app, outcome=outcome, why=reason)
    if outcome == "accepted" or record.echoes or record.bytes_out:  # it may have cost money
        weight = 1
    if weight:
        _write(record, outcome, reason, detail, weight)
    if record.echoes:
        count("UpstreamEchoedKey")


def _write(record: RelayRecord, outcome: str, reason: str, detail: str, weight: int) -> None:
    line: dict[str, object] = {
        "level": kept_level(),
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "message": "relay",
        "stack": stack_name(),
        "outcome": outcome,
        "reason": reason,
        "detail": detail[:240],
        "request_id": record.request_id,
        "upstream": record.upstream,
        "route": record.route,
        "app": record.app,
        "key_id": record.key_id,
        "platform": record.platform,
        "upstream_status": record.upstream_status,
        "bytes_in": record.bytes_in,
        "bytes_out": record.bytes_out,
        "units_reserved": record.reserved,
        "units_used": record.used,
        "key_echoes": record.echoes,
        "first_byte_seconds": round(record.first_byte, 3),
        "seconds": round(record.seconds, 3),
        **({"weight": weight} if weight > 1 else {}),
    }
    try:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        pass  # a full or closed pipe refuses no call


def log_failure(error: Exception, request_id: str) -> None:
    """A mistake of ours: its type and place."""
    log_unexpected(error, request_id)


def _why(error: Exception | None) -> tuple[str, str]:
    match error:
        case None:
            return "accepted", ""
        case BonafideError():
            return error.reason.value, error.detail
        case Unavailable():
            return "try-later", error.what
    return "unexpected-error", type(error).__name__
