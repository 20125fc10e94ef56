"""One structured line per decision and per change of the trust bundle, on standard output.

No token, no proof, no header, no path with its parameters: the gateway's name of the route instead. Logging is best
effort: a full or closed pipe never refuses a request. ``print`` is not used because it writes a line in two parts,
which another thread's line can come between.
"""

from __future__ import annotations

import sys
from json import JSONEncoder
from typing import Final

from attestation.errors import Reason
from gate import Decision
from gateway_event import GatewayRequest
from refusals import support_code

_encode: Final = JSONEncoder(separators=(",", ":")).encode  # ASCII only: no line of a client's making


def log_decision(request: GatewayRequest, decision: Decision) -> None:
    """The decision line; operators find it by the support code that the client quotes."""
    token, reason = decision.token, decision.reason
    line: dict[str, object] = {
        "level": "INFO",
        "message": "decision",
        "action": "authorize",
        "outcome": "accepted" if decision.allowed else "refused",
        "request_class": decision.request_class,
        "requirement": decision.requirement,
        "proven": decision.proven,
        "kind": request.kind,
        "method": request.method,
        "route": request.route,
        "request_id": request.request_id,
        "bundle_version": decision.bundle_version,
    }
    if reason is not None:
        line["reason"] = reason
        line["detail"] = decision.detail
        line["support_code"] = support_code(request.request_id)
    if token is not None:
        line["app"] = token.app
        line["platform"] = token.platform
        line["key_id"] = token.key_id
        line["tier"] = token.tier
        line["app_build"] = token.app_build
        line["policy_version"] = token.policy_version
    _write(line)


def log_bundle(reason: Reason | None, detail: str) -> None:
    """A new trust bundle (no ``reason``), or why one was not taken."""
    level, outcome = ("INFO", "accepted") if reason is None else ("WARNING", "refused")
    _write({"level": level, "message": "trust bundle", "outcome": outcome, "reason": reason, "detail": detail})


def log_fault(what: str, error: BaseException, *, request_id: str = "", detail: str = "") -> None:
    """A mistake of ours: the exception's type, never its text, which may quote what a client sent."""
    line: dict[str, object] = {
        "level": "ERROR",
        "message": what,
        "error_type": type(error).__qualname__,
        "detail": detail,
        "request_id": request_id,
        "support_code": support_code(request_id),
    }
    _write(line)


def _write(line: dict[str, object]) -> None:
    try:
        sys.stdout.write(_encode(line) + "\n")
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        pass
