"""The edge of the Admin API: REST proxy events in, JSON out, one function behind many routes.

IAM decides at the gateway who may call what; here every call must name its signer, whatever the route is configured
to ask for. A route is a use case: a plain function of a request model and of an :class:`AdminCall`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Generic, TypeVar
from urllib.parse import unquote

from pydantic import ValidationError

from service.admin.problems import NOT_SIGNED, AdminRefusal
from service.edge.entity_tags import entity_tag, names_tag
from service.edge.gateway import (
    Edge,
    Handler,
    RequestModel,
    W,
    gateway_member,
    problem_headers,
    read_body,
    reply,
    report_failure,
    texts,
)
from service.edge.json_body import MalformedRequest, RequestTooLarge, read_json
from service.edge.problems import MALFORMED_REQUEST, NO_SUCH_ROUTE, TOO_LARGE, TRY_LATER, Problem
from service.errors import ChangeInDoubt, Unavailable
from service.telemetry.decisions import count, logger

MAX_ADMIN_BODY_BYTES: Final = 1024 * 1024
"""Largest body: two policy documents, or a build with all its parts."""

MAX_ADMIN_CONTAINERS: Final = 20_000
_MAX_WHO: Final = 400
_WITH_SLASHES: Final = frozenset({"audience"})
"""Members of a path that may hold slashes: an audience is often a URL. Such a member ends its path."""
_PARAMETER: Final = re.compile(r"\{([a-z_]+)\}")
W_co = TypeVar("W_co", covariant=True)
W_contra = TypeVar("W_contra", contravariant=True)
_ENCODED_SLASH: Final = re.compile("%(?:25)*2f", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AdminCall(Generic[W_co]):
    """One call: ``who`` signed it (an ARN), ``now`` (Unix seconds), and the parts of the stack that it works on."""

    who: str
    now: float
    stack: W_co


@dataclass(frozen=True)
class Route(Generic[W_contra]):
    """One route: ``path`` as documented, as in ``/admin/policies/{app}/versions/{version}``. The model's members are
    those of the path, the query (GET) or the body (others). ``polled``: its answers carry an entity tag, and a caller
    that has the answer already gets 304. ``local``: what
    it changes is a region's own, or is changed at home, and not where a stack of several regions is administered."""

    method: str
    path: str
    model: type[RequestModel]
    use_case: Callable[[Any, AdminCall[W_contra]], Mapping[str, object]]
    polled: bool = False
    local: bool = False

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches a decoded path."""
        text = ""
        for index, part in enumerate(_PARAMETER.split(self.path)):
            inside = ".+" if part in _WITH_SLASHES else "[^/]+"
            text += f"(?P<{part}>{inside})" if index % 2 else re.escape(part)
        return re.compile(text, re.DOTALL)


def admin_endpoint(
    routes: Sequence[Route[W]],
    wire: Callable[[Mapping[str, str]], W],
    *,
    clock: Callable[[], float] = time.time,
    guard: Callable[[AdminCall[W]], None] = lambda _call: None,
) -> Handler:
    """A Lambda handler over ``routes``. ``wire`` makes the stack that all of them work on; ``guard`` refuses changes
    that belong to another region, but those of ``local`` routes."""
    return _AdminEdge(wire=wire, clock=clock, routes=tuple(routes), guard=guard).handler()


@dataclass(slots=True, kw_only=True)
class _AdminEdge(Edge[W]):
    routes: tuple[Route[W], ...]
    guard: Callable[[AdminCall[W]], None]

    def failed(self, error: Exception, request_id: str) -> dict[str, Any]:
        problem, detail, messages = _problem_of(error)
        if problem is TRY_LATER:
            report_failure(error, request_id)
        return _problem_reply(problem, request_id, detail, messages)

    def answer(self, event: Mapping[str, Any], request_id: str) -> dict[str, Any]:
        if not isinstance(event, Mapping):
            raise MalformedRequest("not a REST proxy event")
        who = _signer(event)
        method, path = str(event.get("httpMethod") or ""), _path(event)
        route, named = self._route(method, path)
        _check_slashes(event, route)
        try:
            request = route.model.model_validate(_members(event, method, named))
            call = AdminCall(who, self.clock(), self.wiring())
            if method != "GET" and not route.local:
                self.guard(call)
            answer = route.use_case(request, call)
        except Exception as error:
            _log_change(route, who, path, _problem_of(error)[0].slug, request_id)
            raise
        _log_change(route, who, path, "done", request_id)
        return _reply(event, json.dumps(answer), polled=route.polled)

    def _route(self, method: str, path: str) -> tuple[Route[W], dict[str, str]]:
        for route in self.routes:
            match = route.pattern.fullmatch(path)
            if match is not None and route.method == method:
                return route, match.groupdict()
        raise AdminRefusal(NO_SUCH_ROUTE, "The Admin API of this stack has no such route: it may be an older release.")


def _reply(event: Mapping[str, Any], content: str, *, polled: bool) -> dict[str, Any]:
    if not polled:
        return reply(200, content, {"Content-Type": "application/json"})
    # A caller may keep the answer, and asks each time whether it still is the answer.
    headers = {"ETag": entity_tag(content), "Cache-Control": "private, no-cache"}
    given = event.get("headers")
    for name, value in given.items() if isinstance(given, Mapping) else ():
        if str(name).lower() == "if-none-match" and names_tag(str(value), headers["ETag"]):
            return reply(304, "", headers)
    return reply(200, content, {"Content-Type": "application/json", **headers})


def _signer(event: Mapping[str, Any]) -> str:
    """The ARN that API Gateway verified the signature of.

    The attack: the route's authorization is switched off by mistake, or the function gets a second trigger, and anyone
    publishes policies. Without a signer nothing is done.
    """
    identity = gateway_member(event, "identity")
    who = identity.get("userArn") if isinstance(identity, Mapping) else None
    if not isinstance(who, str) or not who or len(who) > _MAX_WHO:
        count("AdminNotSigned")
        raise AdminRefusal(NOT_SIGNED, "The Admin API takes requests that are signed with AWS credentials only.")
    return who


def _path(event: Mapping[str, Any]) -> str:
    """The path below the stage, decoded. Behind a custom domain ``path`` begins with its mapping, so the parameter
    counts; whether it was decoded already is all the same, because no name that is taken has a percent sign."""
    parameters = event.get("pathParameters")
    proxy = parameters.get("proxy") if isinstance(parameters, Mapping) else None
    text = f"/admin/{proxy}" if isinstance(proxy, str) else ""
    decoded = unquote(text)
    if "%" in decoded:
        raise MalformedRequest("a name in the path has a percent sign")
    return decoded


def _check_slashes(event: Mapping[str, Any], route: Route[W]) -> None:
    """A slash that was sent encoded is a part of a name, and never one between them.

    The attack: a caller is denied ``policies/*/approve`` and sends ``policies/shop%2Fapprove``. Where IAM compares
    paths as they were sent, that is another one; decoded here, it would be the same.
    """
    parameters = event.get("pathParameters")
    sent = [event.get("path"), gateway_member(event, "path")]
    sent += [parameters.get("proxy")] if isinstance(parameters, Mapping) else []
    before, name, _ = route.path.removeprefix("/admin").partition("{audience}")
    for text in sent:
        place = _ENCODED_SLASH.search(text) if isinstance(text, str) else None
        if place is not None and not (name and before in f"/{place.string[: place.start()]}"):
            raise MalformedRequest("a slash in the path is encoded")


def _members(event: Mapping[str, Any], method: str, named: Mapping[str, str]) -> Mapping[str, object]:
    given = texts(event.get("queryStringParameters")) if method == "GET" else _body(event)
    if set(given) & set(named):
        # Two values for one member: a reviewer of the path must not overlook the body.
        raise MalformedRequest("a member stands in the path and beside it")
    return {**given, **named}


def _body(event: Mapping[str, Any]) -> Mapping[str, object]:
    content = read_body(event, MAX_ADMIN_BODY_BYTES)
    if not content:
        return {}
    members = read_json(content, max_bytes=MAX_ADMIN_BODY_BYTES, max_containers=MAX_ADMIN_CONTAINERS)
    if not isinstance(members, dict):
        raise MalformedRequest("the body is not a JSON object")
    return members


def _problem_of(error: Exception) -> tuple[Problem, str, Sequence[Mapping[str, object]]]:
    match error:
        case AdminRefusal():
            return error.problem, error.detail, error.messages
        case RequestTooLarge():
            return TOO_LARGE, f"A request may have {MAX_ADMIN_BODY_BYTES // 1024} KiB.", ()
        case MalformedRequest():
            return MALFORMED_REQUEST, f"The request cannot be read: {error}.", ()
        case ValidationError():
            return MALFORMED_REQUEST, "The request is not of the documented form.", tuple(_faults(error))
        case ChangeInDoubt():
            return TRY_LATER, f"{error.what} did not answer. `{error.look}` shows whether the change stands.", ()
        case Unavailable():
            return TRY_LATER, f"{error.what} did not answer. Nothing was changed by this call.", ()
        case _:
            return TRY_LATER, "This should not happen; the log of the function says more.", ()


def _faults(error: ValidationError) -> list[dict[str, object]]:
    """What is wrong with a request's members. Places, not values: a member may be a policy."""
    return [
        {"at": ".".join(str(part) for part in fault["loc"])[:200], "text": fault["msg"][:300]}
        for fault in error.errors(include_url=False, include_input=False, include_context=False)[:20]
    ]


def _log_change(route: Route[W], who: str, subject: str, outcome: str, request_id: str) -> None:
    """One line per attempt to change something: who, what, on which path, how it ended. Never a document."""
    if route.method == "GET":
        return
    try:
        logger().info(
            "change",
            who=who,
            what=route.use_case.__name__,
            subject=subject[:500],
            outcome=outcome,
            request_id=request_id,
        )
    except Exception:  # noqa: S110 - the audit entry is in the table, with the change
        pass


def _problem_reply(
    problem: Problem, request_id: str, detail: str, messages: Sequence[Mapping[str, object]]
) -> dict[str, Any]:
    document = problem.document(instance=request_id) | {"detail": detail}
    if messages:
        document["messages"] = list(messages)
    # No CORS header: no web page should call this API.
    return reply(problem.status, json.dumps(document), problem_headers(problem))
