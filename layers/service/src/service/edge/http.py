"""The verifier API's edge: REST proxy events in, answers out. No use case knows status codes.

A function module is ``handler = endpoint(Model, use_case, wire)``. No client ever sees a 500: what is not in the table
of :mod:`service.edge.problems` is logged with its type and place, counted, and answered ``try-later``.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bonafide_tokens.errors import BonafideError, Rejected
from bonafide_tokens.errors import Reason as TokenReason
from bonafide_tokens.origin_secret import HEADER, came_through_edge
from pydantic import ValidationError

from service.detection.network import network_of
from service.edge.entity_tags import names_tag
from service.edge.gateway import (
    Edge,
    Handler,
    RequestModel,
    gateway_member,
    problem_headers,
    read_body,
    reply,
    report_failure,
    texts,
)
from service.edge.json_body import MAX_BODY_BYTES, MalformedRequest, RequestTooLarge, read_json
from service.edge.problems import (
    ADVICE_OF,
    MALFORMED_REQUEST,
    NO_CLIENT_POLICY,
    NO_SUCH_ROUTE,
    TOO_LARGE,
    TRY_LATER,
    Problem,
    problem_of,
)
from service.errors import Contraindicated, NoClientPolicy, NoRootSet, Paced, Unavailable, WrongRegion
from service.telemetry.decisions import (
    DecisionRecord,
    FactSealing,
    country_of,
    log_decision,
    log_unavailable,
    log_unexpected,
)
from service.telemetry.tally_lines import count_decision

CLIENT_POLICY_VERSION_HEADER: Final = "Bonafide-Client-Policy-Version"


@dataclass(frozen=True, slots=True)
class Call:
    """One REST proxy event, read: header names in lower case, ``body`` after base64, ``None`` when there is none.

    ``route`` is the route's path as the template names it, as in ``/v1/client-policies/{app}``, and ``path_members``
    what stood in its braces; the path itself begins, behind a custom domain, with the base path mapping, so it is not
    used. ``query`` are the query string's members; ``header_values`` has every value of a repeated header. ``domain``
    and ``stage_path`` are of the URL called.
    """

    route: str
    headers: Mapping[str, str]
    body: bytes | None
    request_id: str
    path_members: Mapping[str, str]
    query: Mapping[str, str]
    header_values: Mapping[str, tuple[str, ...]]
    method: str
    domain: str
    stage_path: str


@dataclass(frozen=True, slots=True)
class Document:
    """A cacheable success: served with an ETag, or as 304 to a caller that has it. ``max_age`` in seconds, and
    ``stale_if_error`` for how long a cache may go on with it while we do not answer (RFC 5861 §4).

    ``private``: not for caches that others share. ``client_policy_version`` as in :class:`DecisionRecord`.
    """

    content: str
    media_type: str
    etag: str
    max_age: int
    private: bool = False
    stale_if_error: int = 0
    client_policy_version: int | None = None


def _no_code(_reason: str, _key_id: str, _now: float) -> str:
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """What ``wire`` builds: the use case's collaborators by keyword, and what the edge itself needs.

    ``support_code`` takes (reason, key id, now); ``allowed_origin`` is the web origin that may read answers;
    ``country_header`` the header in which whatever stands in front names the caller's country, empty for none;
    ``origin_secret_hashes`` those of :mod:`bonafide_tokens.origin_secret`, none where clients may call directly;
    ``network_header`` the header in which it names the caller's address, and ``fact_seal`` seals what detectors are
    told.
    """

    collaborators: Mapping[str, object]
    support_code: Callable[[str, str, float], str] = _no_code
    allowed_origin: str = "*"
    country_header: str = ""
    origin_secret_hashes: tuple[bytes, ...] = ()
    network_header: str = ""
    fact_seal: FactSealing | None = None


def json_members(call: Call) -> object:
    """A request model's members from the JSON body."""
    if call.body is None:
        raise MalformedRequest("no body")
    return read_json(call.body)


def address(call: Call) -> object:
    """A request model's members for a GET: where it goes, ``route`` and ``path_members``, and its ``query``."""
    return {"route": call.route, "path_members": call.path_members, "query": call.query}


def endpoint(
    model: type[RequestModel],
    use_case: Callable[..., Mapping[str, object] | Document],
    wire: Callable[[Mapping[str, str]], Wiring],
    *,
    success: int = 200,
    action: str | None = None,
    counted: str | None = None,
    members: Callable[[Call], object] = json_members,
    clock: Callable[[], float] = time.time,
) -> Handler:
    """A Lambda handler around a use case.

    ``use_case`` is called with the request, ``now`` (Unix seconds), ``wire``'s collaborators and, when ``action`` is
    given, ``record``: every call is then counted, and has its decision line. With ``counted``, the name of a source of
    tallies, calls are counted only. :class:`~service.edge.gateway.Edge` says when ``wire`` runs.
    """
    edge = _VerifierEdge(
        model=model,
        use_case=use_case,
        wire=wire,
        success=success,
        action=action,
        counted=counted,
        members=members,
        clock=clock,
    )
    return edge.handler()


@dataclass(slots=True, kw_only=True)
class _VerifierEdge(Edge[Wiring]):
    model: type[RequestModel]
    use_case: Callable[..., Mapping[str, object] | Document]
    success: int
    action: str | None
    counted: str | None
    members: Callable[[Call], object]

    def failed(self, error: Exception, request_id: str) -> dict[str, Any]:
        log_unexpected(error, request_id)
        record = DecisionRecord(action=self.action or "", request_id=request_id, at=time.time())
        self._decided(record, outcome="unavailable", reason="unexpected-error", detail=type(error).__qualname__)
        bare = Wiring(collaborators={}, allowed_origin=os.environ.get("ALLOWED_ORIGIN") or "*")
        return _problem_reply(TRY_LATER, TRY_LATER.document(instance=request_id), bare)

    def answer(self, event: Mapping[str, Any], request_id: str) -> dict[str, Any]:
        wiring = self.wiring()
        now = self.clock()
        record = DecisionRecord(action=self.action or "", request_id=request_id, at=now, seal=wiring.fact_seal)
        try:
            if wiring.fact_seal is not None:
                wiring.fact_seal.prepare(now)
            call = _read_call(event, request_id)
            _require_edge(call, wiring.origin_secret_hashes)
            record.country = country_of(call.headers, wiring.country_header)
            if wiring.network_header:
                record.detection.network = network_of(call.header_values.get(wiring.network_header.lower(), ()))
            request = self.model.model_validate(self.members(call))
            if self.counted is not None:
                record.app = str(getattr(request, "app", ""))
                record.counted_as = str(getattr(request, "counted_as", ""))
            extra = {} if self.action is None else {"record": record}
            outcome = self.use_case(request, now=now, **wiring.collaborators, **extra)
            if isinstance(outcome, Document):
                record.client_policy_version = outcome.client_policy_version
            answer = _telling(self._answer(outcome, call, wiring), record)
            self._decided(record, outcome="accepted", reason="accepted")
            return answer
        except Exception as error:
            return self._refusal(error, record, now, wiring)

    def _refusal(self, error: Exception, record: DecisionRecord, now: float, wiring: Wiring) -> dict[str, Any]:
        problem, reason, detail = _problem_of(error)
        code: str | None = None
        advice: tuple[str, ...] = ()
        if problem.coded:
            try:
                code = wiring.support_code(reason, record.key_id, now)
            except Exception as failure:
                error, problem = failure, TRY_LATER
        if isinstance(error, Contraindicated):
            advice = error.result.advice
        elif isinstance(error, BonafideError):
            advice = ADVICE_OF.get(error.reason, ())
        if problem is TRY_LATER:
            _report(error, record.request_id)
        if isinstance(error, NoClientPolicy):
            record.client_policy_version = 0
        body = problem.document(instance=record.request_id, support_code=code, advice=advice)
        if isinstance(error, WrongRegion):
            body["home"] = error.home
        answer = _telling(_problem_reply(problem, body, wiring), record)
        if isinstance(error, Paced):
            answer["headers"]["Retry-After"] = str(error.seconds)
        self._decided(
            record,
            outcome="unavailable" if problem is TRY_LATER else "refused",
            reason=reason,
            detail=detail,
            support_code=code or "",
            decided_by=_deciding_rule(error),
        )
        return answer

    def _answer(self, outcome: Mapping[str, object] | Document, call: Call, wiring: Wiring) -> dict[str, Any]:
        if not isinstance(outcome, Document):
            return _reply(self.success, json.dumps(outcome), {"Content-Type": "application/json"}, wiring)
        scope = "private" if outcome.private else "public"
        stale = f", stale-if-error={outcome.stale_if_error}" if outcome.stale_if_error else ""
        headers = {"ETag": outcome.etag, "Cache-Control": f"{scope}, max-age={outcome.max_age}{stale}"}
        if names_tag(call.headers.get("if-none-match", ""), outcome.etag):
            return _reply(304, "", headers, wiring)
        return _reply(self.success, outcome.content, {"Content-Type": outcome.media_type, **headers}, wiring)

    def _decided(self, record: DecisionRecord, *, outcome: str, reason: str, **facts: str) -> None:
        if self.action is not None:
            log_decision(record, outcome=outcome, reason=reason, **facts)
        elif self.counted is not None:
            accepted = outcome == "accepted"
            outcome, why = ("issued", record.counted_as) if accepted else (outcome, reason)
            count_decision(self.counted, at=record.at, app=record.app, outcome=outcome, why=why)


def _deciding_rule(error: Exception) -> str:
    """The first rule of the policy that pulled the verdict down to what it is."""
    if not isinstance(error, Contraindicated):
        return ""
    deciding = (one.rule for one in error.result.findings if one.enforced and one.tier == error.result.tier)
    return next(deciding, "")


def _require_edge(call: Call, hashes: tuple[bytes, ...]) -> None:
    """The attack: a direct call, past the filters of the edge and with a country of the caller's choice."""
    if hashes and not came_through_edge(call.header_values.get(HEADER, ()), hashes):
        raise Rejected(TokenReason.ORIGIN_SECRET, "not through the edge, or by an old secret")


def _problem_of(error: Exception) -> tuple[Problem, str, str]:
    """The public problem of any exception, with the reason and detail for the operator."""
    match error:
        case BonafideError():
            return problem_of(error.reason), error.reason.value, error.detail
        case RequestTooLarge():
            return TOO_LARGE, TOO_LARGE.slug, ""
        case MalformedRequest():
            return MALFORMED_REQUEST, MALFORMED_REQUEST.slug, str(error)
        case ValidationError():
            # Kinds only: pydantic's messages quote the input, and its places the names of unknown members.
            kinds = dict.fromkeys(fault["type"] for fault in error.errors(include_url=False, include_input=False))
            return MALFORMED_REQUEST, MALFORMED_REQUEST.slug, ", ".join(kinds)
        case Unavailable():
            return TRY_LATER, TRY_LATER.slug, error.what
        case NoClientPolicy():
            return NO_CLIENT_POLICY, NO_CLIENT_POLICY.slug, ""
        case NoRootSet():
            return NO_SUCH_ROUTE, NO_SUCH_ROUTE.slug, ""
        case _:
            return TRY_LATER, "unexpected-error", type(error).__qualname__


def _report(error: Exception, request_id: str) -> None:
    if isinstance(error, BonafideError):
        log_unavailable(str(error), request_id)
    else:
        report_failure(error, request_id)


def _read_call(event: Mapping[str, Any], request_id: str) -> Call:
    if not isinstance(event, Mapping) or not isinstance(event.get("headers") or {}, Mapping):
        raise MalformedRequest("not a REST proxy event")
    headers = {str(name).lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    return Call(
        route=str(event.get("resource") or ""),
        headers=headers,
        body=read_body(event, MAX_BODY_BYTES),
        request_id=request_id,
        path_members=texts(event.get("pathParameters")),
        query=texts(event.get("queryStringParameters")),
        header_values=_header_values(event, headers),
        method=str(event.get("httpMethod") or ""),
        domain=_text(gateway_member(event, "domainName")),
        stage_path=_text(gateway_member(event, "path")),
    )


def _header_values(event: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """All values of every header. A client may spell one name in two ways to get two values past code that looks up a
    single spelling."""
    several = event.get("multiValueHeaders")
    if not isinstance(several, Mapping):
        return {name: (value,) for name, value in headers.items()}
    found: dict[str, tuple[str, ...]] = {}
    for name, values in several.items():
        texts = tuple(map(str, values)) if isinstance(values, list) else (str(values),)
        found[str(name).lower()] = found.get(str(name).lower(), ()) + texts
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _problem_reply(problem: Problem, body: Mapping[str, object], wiring: Wiring) -> dict[str, Any]:
    return _reply(problem.status, json.dumps(body), problem_headers(problem), wiring)


def _reply(status: int, body: str, headers: Mapping[str, str], wiring: Wiring) -> dict[str, Any]:
    readable = {
        "Access-Control-Allow-Origin": wiring.allowed_origin,
        "Access-Control-Expose-Headers": f"{CLIENT_POLICY_VERSION_HEADER}, ETag, Retry-After",
    }
    return reply(status, body, {**readable, **headers})


def _telling(answer: dict[str, Any], record: DecisionRecord) -> dict[str, Any]:
    """The answer, with the caller's client-policy version where a use case noted one: answers about no particular app
    or install tell none, because the version is each install's own while a rollout is under way."""
    if record.client_policy_version is not None:
        answer["headers"][CLIENT_POLICY_VERSION_HEADER] = str(record.client_policy_version)
    return answer
