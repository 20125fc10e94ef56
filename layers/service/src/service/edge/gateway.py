"""What both HTTP edges share: API Gateway's REST proxy events read, answers made, and the shell around every call."""

from __future__ import annotations

import base64
import binascii
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from service.deadline import time_of_request, within
from service.edge.json_body import MalformedRequest, RequestTooLarge
from service.edge.problems import Problem, Retry
from service.edge.retry_after import retry_after
from service.errors import Unavailable
from service.telemetry.decisions import log_unavailable, log_unexpected

MAX_REQUEST_ID: Final = 128
"""Characters of a request's id that are answered and logged; API Gateway's own have 36."""

Handler = Callable[[Mapping[str, Any], Any], dict[str, Any]]
W = TypeVar("W")


class RequestModel(BaseModel):
    """A request as documented and nothing else: strict types, no unknown member, no input in error texts."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


@dataclass(slots=True, kw_only=True)
class Edge(ABC, Generic[W]):
    """The shell around a function's calls. ``wire`` makes what they work with from the environment: in Lambda at INIT,
    where CPU is free and a wrong setting stops the deployment; elsewhere with the first call, so that importing has no
    side effect. Each call has one deadline (:mod:`service.deadline`): what API Gateway and Lambda leave it."""

    wire: Callable[[Mapping[str, str]], W]
    clock: Callable[[], float] = time.time
    wired: W | None = field(default=None, init=False)

    def handler(self) -> Handler:
        """The Lambda handler."""
        if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE"):
            self.wiring()
        return self.handle

    def wiring(self) -> W:
        """What ``wire`` makes, once."""
        if self.wired is None:
            self.wired = self.wire(os.environ)
        return self.wired

    def handle(self, event: Mapping[str, Any], context: Any) -> dict[str, Any]:
        """Answer an event, whatever it is and whatever breaks, also what is needed to say that something broke."""
        request_id = ""
        try:
            request_id = _request_id(event, context)
            with within(time_of_request(event, context)):
                return self.answer(event, request_id)
        except Exception as error:
            return self.failed(error, request_id)

    @abstractmethod
    def answer(self, event: Mapping[str, Any], request_id: str) -> dict[str, Any]:
        """The answer to an event."""

    @abstractmethod
    def failed(self, error: Exception, request_id: str) -> dict[str, Any]:
        """The answer when :meth:`answer` raised. Never raises."""


def _request_id(event: Mapping[str, Any], context: Any) -> str:
    """API Gateway's id of the request. A client may choose it (header X-Amzn-RequestId): a UUID, says API Gateway."""
    return str(gateway_member(event, "requestId") or getattr(context, "aws_request_id", "") or "")[:MAX_REQUEST_ID]


def gateway_member(event: object, name: str) -> object:
    """A member of the event's ``requestContext``, which API Gateway writes; ``None`` when there is none."""
    context = event.get("requestContext") if isinstance(event, Mapping) else None
    return context.get(name) if isinstance(context, Mapping) else None


def texts(members: object) -> dict[str, str]:
    """The parameters of a path or a query."""
    if members is None:
        return {}
    if not isinstance(members, Mapping):
        raise MalformedRequest("not a REST proxy event")
    return {str(name): str(value) for name, value in members.items()}


def read_body(event: Mapping[str, Any], most: int) -> bytes | None:
    """The body, ``most`` bytes long at most; ``None`` when there is none."""
    text = event.get("body")
    if text is None:
        return None
    if not isinstance(text, str):
        raise MalformedRequest("the event's body is not text")
    encoded = bool(event.get("isBase64Encoded"))
    # Judged before decoding, so that an oversized body costs no copy; exactly, after it.
    if len(text) > (most * 4 // 3 + 4 if encoded else most):
        raise RequestTooLarge
    try:
        body = base64.b64decode(text, validate=True) if encoded else text.encode("utf-8")
    except (binascii.Error, ValueError):
        raise MalformedRequest("the body's encoding is broken") from None
    if len(body) > most:
        raise RequestTooLarge
    return body


def reply(status: int, body: str, headers: Mapping[str, str]) -> dict[str, Any]:
    """An answer that no cache keeps, unless ``headers`` say otherwise."""
    return {
        "statusCode": status,
        "headers": {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **headers},
        "body": body,
        "isBase64Encoded": False,
    }


def problem_headers(problem: Problem) -> dict[str, str]:
    """The headers of a problem's answer (RFC 9457)."""
    headers = {"Content-Type": "application/problem+json"}
    if problem.retry is Retry.LATER:
        headers["Retry-After"] = retry_after()
    if problem.challenge:  # API Gateway renames it (x-amzn-Remapped-WWW-Authenticate): the body has the remedy too
        headers["WWW-Authenticate"] = problem.challenge
    return headers


def report_failure(error: Exception, request_id: str) -> None:
    """Log what an answer of ``try-later`` is due to."""
    if isinstance(error, Unavailable):
        log_unavailable(error.what, request_id)
    else:
        log_unexpected(error, request_id)
