"""What the authorizer writes on standard output: counts of all decisions, a structured line for each that is listed
and for each change of the trust bundle.

Every decision is counted (:mod:`bonafide_tokens.counting.tally`). Refusals are listed too, so that operators find them
by the support code that the client quotes: all of them up to a rate, beyond it a sample with its weight. What was
accepted is listed where the settings ask for it.

No token, no proof, no header, no path with its parameters: the gateway's name of the route instead. Logging is best
effort: a full or closed pipe never refuses a request. Everything is ASCII and quoted, so no client adds lines of its
own. ``print`` is not used because it writes a line in two parts, which another thread's line can come between.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from json import dumps
from json.encoder import encode_basestring_ascii as quoted
from time import gmtime, strftime, time
from typing import Final

from bonafide_tokens.counting.tally import Cell, Tally
from bonafide_tokens.errors import Reason
from bonafide_tokens.gate.gate import Decision
from bonafide_tokens.gate.request import GatedRequest
from bonafide_tokens.gate.settings import GateSettings
from bonafide_tokens.refusals import request_code

# With accepted ones listed, every request writes such a line: filling in a text costs half of what building and
# encoding a dict does.
_DECISION: Final = (
    '{"level":"%s","message":"decision","action":"authorize","outcome":%s,"request_class":%s,"requirement":%s,'
    '"proven":%s,"kind":%s,"audience":%s,"method":%s,"route":%s,"route_pattern":%s,"request_id":%s,'
    '"bundle_version":%d,"counted":true%s%s%s}'
)
_REASON: Final = ',"reason":%s,"detail":%s,"support_code":%s'
_TOKEN: Final = ',"app":%s,"platform":%s,"key_id":%s,"tier":%s,"app_build":%s,"policy_version":%d'
_OURS: Final = frozenset({Reason.BUNDLE_UNAVAILABLE, Reason.PROOF_UNSPENT, Reason.PROOF_CACHED})
"""Why a request is refused that may be a good one: for what is broken or set wrongly on this side."""
_KEPT: Final = {level: level for level in ("WARN", "ERROR", "FATAL")}
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "*"})


class DecisionLog:
    """Counts and lists the decisions of one process. ``bundle()`` is the version of the trust bundle in use and its
    age in seconds."""

    def __init__(self, settings: GateSettings, bundle: Callable[[], object]) -> None:
        self._audience, self._list_accepted, self._bundle = settings.audience, settings.list_accepted, bundle
        self._tally = Tally("authorize", _write, self._head)
        self._process, self._lines = "", 0

    def note(self, request: GatedRequest, decision: Decision, now: float) -> None:
        """Count a decision; list it where that is to be."""
        token, method, outcome = decision.token, request.presented.method, "accepted" if decision.allowed else "refused"
        path = request.route.rpartition(" ")[2] or decision.route_pattern.partition(" ")[2] or "/*"
        route = f"{self._audience} {method if method in _METHODS else 'OTHER'} {path}"
        app, key_id, platform, build = ("", "", "", "") if token is None else (*token[:3], token.app_build or "")
        app += f"@{token.environment}" if token is not None and token.environment else ""  # counted apart
        cell = Cell(app, outcome, decision.reason or "", (route, decision.request_class, platform, build))
        weight = self._tally.count(now, cell, key_id)
        if listed := self._list_accepted if decision.allowed else weight:
            log_decision(request, decision, self._audience, listed)

    def fault(self, what: str, error: Exception, now: float, *, request_id: str, detail: str = "") -> None:
        """Count and log a request that could not be decided, by a mistake of ours or in the wiring."""
        self._tally.count(now, Cell("", "unavailable", what.replace(" ", "-"), ("", "", "", "")))
        log_fault(what, error, request_id=request_id, detail=detail)

    def _head(self, _at: int) -> dict[str, object]:
        # Lambda drops lines below its level, and takes one without a time (RFC 3339) for one of INFO.
        level = _KEPT.get(os.environ.get("AWS_LAMBDA_LOG_LEVEL", ""), "INFO")
        kept = {"level": level, "timestamp": strftime("%Y-%m-%dT%H:%M:%SZ", gmtime()), "message": "tally"}
        # Drawn for the first line: what is drawn earlier may be in a snapshot from which many processes begin.
        self._process, self._lines = self._process or os.urandom(8).hex(), self._lines + 1
        return {**kept, "id": f"{self._process}-{self._lines}", "bundle": self._bundle()}


def log_decision(request: GatedRequest, decision: Decision, audience: str, weight: int = 1) -> None:
    """The decision line; operators find it by the support code that the client quotes.

    ``route`` is the gateway's name of the route, ``route_pattern`` the requirement that covered the request, as in
    ``POST /payments/*``; empty where the default did. ``counted`` says that a tally has it, too. ``weight`` is for how
    many decisions the line stands, and in it where that is more than one.
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
    level, more = ("ERROR", _counting("AuthorizerFault", weight)) if reason in _OURS else ("INFO", {})
    more |= {"weight": weight} if weight > 1 else {}
    more |= {"environment": token.environment} if token is not None and token.environment else {}
    beside = "," + dumps(more)[1:-1] if more else ""
    _write(_DECISION % (level, *judged, proven, *map(quoted, place), decision.bundle_version, why, who, beside))


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


def _counting(metric: str, times: int = 1) -> dict[str, object]:
    """Members that make a line one of a metric as well (CloudWatch embedded metric format), with the dimensions of the
    service's own, and the time (RFC 3339) without which Lambda takes a line for one of INFO, whatever its level."""
    now = time()
    named = {"Dimensions": [["stack", "service"]], "Metrics": [{"Name": metric, "Unit": "Count"}]}
    return {
        "_aws": {"Timestamp": int(now * 1000), "CloudWatchMetrics": [{"Namespace": "Bonafide", **named}]},
        "stack": os.environ.get("STACK_NAME") or "none",
        "service": "bonafide",
        metric: times,
        "timestamp": strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(now)),
    }


def _write(line: str) -> None:
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        pass
