"""One structured line per decision and per change of the trust bundle, on standard output.

No token, no proof, no header, no path with its parameters: the gateway's name of the route instead. Logging is best
effort: a full or closed pipe never refuses a request. Everything is ASCII and quoted, so no client adds lines of its
own. ``print`` is not used because it writes a line in two parts, which another thread's line can come between.
"""

from __future__ import annotations

import os
import sys
from json import dumps
from json.encoder import encode_basestring_ascii as quoted
from time import gmtime, strftime, time
from typing import Final

from bonafide_tokens.errors import Reason
from bonafide_tokens.refusals import request_code
from gate import Decision
from gateway_event import GatewayRequest

# Every request writes a decision line: filling in a text costs half of what building and encoding a dict does.
_DECISION: Final = (
    '{"level":"%s","message":"decision","action":"authorize","outcome":%s,"request_class":%s,"requirement":%s,'
    '"proven":%s,"kind":%s,"audience":%s,"method":%s,"route":%s,"route_pattern":%s,"request_id":%s,'
    '"bundle_version":%d%s%s%s}'
)
_REASON: Final = ',"reason":%s,"detail":%s,"support_code":%s'
_OURS: Final = frozenset({Reason.BUNDLE_UNAVAILABLE, Reason.PROOF_UNSPENT, Reason.PROOF_CACHED})
"""Why a request is refused that may be a good one: for what is broken or set wrongly on this side."""
_TOKEN: Final = ',"app":%s,"platform":%s,"key_id":%s,"tier":%s,"app_build":%s,"policy_version":%d'


def log_decision(request: GatewayRequest, decision: Decision, audience: str) -> None:
    """The decision line; operators find it by the support code that the client quotes.

    ``route`` is the gateway's name of the route, ``route_pattern`` the requirement that covered the request, as in
    ``POST /payments/*``; empty where the default did.
    """
    token, reason = decision.token, decision.reason
    why = who = ""
    if reason is not None:
        why = _REASON % (quoted(reason), quoted(decision.detail[:240]), quoted(request_code(request.request_id)))
    if token is not None:
        of_token = (token.app, token.platform, token.key_id, token.tier, token.app_build or "")
        who = _TOKEN % (*map(quoted, of_token), token.policy_version)
    outcome = "accepted" if decision.allowed else "refused"
    proven = "true" if decision.proven else "false"
    method = request.presented.method[:16]  # on an HTTP API's $default route, whatever a client calls a method
    place = (request.kind, audience, method, request.route, decision.route_pattern, request.request_id[:128])
    judged = map(quoted, (outcome, decision.request_class, decision.requirement or ""))
    level, fault = ("ERROR", "," + dumps(_counting("AuthorizerFault"))[1:-1]) if reason in _OURS else ("INFO", "")
    _write(_DECISION % (level, *judged, proven, *map(quoted, place), decision.bundle_version, why, who, fault))


def log_bundle(reason: Reason | None, detail: str) -> None:
    """A new trust bundle (no ``reason``), or why one was not taken."""
    level, outcome = ("INFO", "accepted") if reason is None else ("WARN", "refused")
    line = {"level": level, "message": "trust bundle", "outcome": outcome, "reason": reason, "detail": detail}
    _write(dumps({**line, **({} if reason is None else _counting("BundleNotRefreshed"))}))


def log_warning(what: str, detail: str) -> None:
    """Settings that do not go together, seen while serving: said once, loudly, for the operator."""
    line = {"level": "ERROR", "message": what, "outcome": "refused", "detail": detail}
    _write(dumps({**line, **_counting("AuthorizerFault")}))


def log_fault(what: str, error: BaseException, *, request_id: str = "", detail: str = "") -> None:
    """A mistake of ours: the exception's type, never its text, which may quote what a client sent."""
    line = {"level": "ERROR", "message": what, "error_type": type(error).__qualname__, "detail": detail}
    found_by = {"request_id": request_id, "support_code": request_code(request_id)}
    _write(dumps({**line, **found_by, **_counting("AuthorizerFault")}))


def _counting(metric: str) -> dict[str, object]:
    """Members that make a line one of a metric as well (CloudWatch embedded metric format), with the dimensions of the
    service's own, and the time (RFC 3339) without which Lambda takes a line for one of INFO, whatever its level."""
    now = time()
    named = {"Dimensions": [["stack", "service"]], "Metrics": [{"Name": metric, "Unit": "Count"}]}
    return {
        "_aws": {"Timestamp": int(now * 1000), "CloudWatchMetrics": [{"Namespace": "Bonafide", **named}]},
        "stack": os.environ.get("STACK_NAME") or "none",
        "service": "bonafide",
        metric: 1,
        "timestamp": strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(now)),
    }


def _write(line: str) -> None:
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        pass
