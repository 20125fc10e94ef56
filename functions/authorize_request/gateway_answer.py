"""From a decision to what API Gateway expects of a Lambda authorizer.

Policies name the whole API and stage, so that an answer which API Gateway caches for a token is right for its other
routes too. Two exceptions, allowed for their own method and path only: a request that passes *unverified* (``off``
and ``monitor`` routes, ``allow`` without a bundle), because cached under some made-up token a wider answer would open
every other route to that token; and every request of an API whose answers are cached although some of its routes ask
for more than a token. A simple response (HTTP API, payload 2.0) cannot be narrowed: the gate refuses there.
"""

from __future__ import annotations

from typing import Any

from bonafide_tokens.errors import UNAVAILABLE
from bonafide_tokens.gate.gate import Decision
from bonafide_tokens.gate.request import GatedRequest, Kind
from bonafide_tokens.refusals import request_code

_NOBODY = "unverified"
_ONE_CHARACTER = str.maketrans("*$", "??")

Answer = dict[str, Any]


def write_answer(request: GatedRequest, decision: Decision) -> Answer:
    """The answer: principal, IAM policy and context, or for payload 2.0 the simple response. Every context value is a
    string."""
    if not decision.allowed:
        return denial(request, decision)
    token = decision.token
    if token is None or decision.reason is not None:
        return _allowance(request, _NOBODY, {"request_class": decision.request_class}, own_route_only=True)
    context = {
        "app": token.app,
        "platform": token.platform,
        "key_id": token.key_id,
        "tier": token.tier,
        "app_build": token.app_build or "",
        "policy_version": str(token.policy_version),
        "request_class": decision.request_class,
        "jti": token.jti,
        "token_expires_at": str(token.expires_at),
    }
    if token.environment:
        context["environment"] = token.environment
    if decision.content_digest is not None:
        context["content_digest"] = decision.content_digest
    if decision.next_nonce:
        context["dpop_nonce"] = decision.next_nonce
    return _allowance(request, token.key_id, context, own_route_only=decision.own_route_only)


def denial(request: GatedRequest, decision: Decision) -> Answer:
    """A refusal with what its client may know.

    REST APIs show it as a 401 through the ``ACCESS_DENIED`` gateway response. HTTP and WebSocket APIs answer 403 with
    a body of their own whatever is said here, and keep the context for their access log.
    """
    refusal = UNAVAILABLE if decision.reason is None else decision.reason.refusal
    context = {
        "error": refusal.error,
        "action": refusal.action,
        "retry": refusal.retry,
        "reason_title": refusal.title,
        "www_authenticate": refusal.www_authenticate,
        "support_code": request_code(request.request_id),
        "request_class": refusal.request_class,
    }
    if decision.next_nonce:
        context["dpop_nonce"] = decision.next_nonce
    if request.kind is Kind.HTTP_2:
        return {"isAuthorized": False, "context": context}
    return _policy(_NOBODY, "Deny", _whole_api(request), context)


def _allowance(request: GatedRequest, principal: str, context: dict[str, str], *, own_route_only: bool) -> Answer:
    if request.kind is Kind.HTTP_2:
        return {"isAuthorized": True, "context": context}
    resource = _whole_api(request)
    if own_route_only:
        # Wildcards and policy variables in a path are the client's: "?" stands for one character and no more.
        resource = request.api_arn + request.method_arn[len(request.api_arn) :].translate(_ONE_CHARACTER)
    return _policy(principal, "Allow", resource, context)


def _whole_api(request: GatedRequest) -> str:
    # A WebSocket ARN ends in its route key: there is no method in it.
    return f"{request.api_arn}/*" if request.kind is Kind.WEBSOCKET else f"{request.api_arn}/*/*"


def _policy(principal: str, effect: str, resource: str, context: dict[str, str]) -> Answer:
    return {
        "principalId": principal,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}],
        },
        "context": context,
    }
