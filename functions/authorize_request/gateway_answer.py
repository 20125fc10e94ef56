"""From a decision to what API Gateway expects of a Lambda authorizer.

Policies name the whole API and stage, so that an answer which API Gateway caches for a token is right for its other
routes too. One exception: a request that passes *unverified* (``off`` and ``monitor`` routes, ``allow`` without a
bundle) is allowed for its own method and path only; cached under some made-up token, a wider answer would open every
other route to that token.
"""

from __future__ import annotations

from typing import Any

from gate import Decision
from gateway_event import GatewayRequest
from refusals import REFUSALS, UNAVAILABLE, support_code

_NOBODY = "unverified"
_ONE_CHARACTER = str.maketrans("*$", "??")

Answer = dict[str, Any]


def write_answer(request: GatewayRequest, decision: Decision) -> Answer:
    """The answer to a REST authorizer: principal, IAM policy, context. Every context value is a string."""
    if not decision.allowed:
        return denial(request, decision)
    token = decision.token
    if token is None or decision.reason is not None:
        # Wildcards and policy variables in a path are the client's: "?" stands for one character and no more.
        resource = request.api_arn + request.method_arn[len(request.api_arn) :].translate(_ONE_CHARACTER)
        context = {"request_class": decision.request_class}
        return _policy(_NOBODY, "Allow", resource, context)
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
    return _policy(token.key_id, "Allow", f"{request.api_arn}/*/*", context)


def denial(request: GatewayRequest, decision: Decision) -> Answer:
    """A refusal with what its client may know, for the ``ACCESS_DENIED`` gateway response to show as a 401."""
    refusal = UNAVAILABLE if decision.reason is None else REFUSALS.get(decision.reason, UNAVAILABLE)
    context = {
        "error": refusal.error,
        "action": refusal.action,
        "reason_title": refusal.title,
        "www_authenticate": refusal.www_authenticate,
        "support_code": support_code(request.request_id),
        "request_class": refusal.request_class,
    }
    return _policy(_NOBODY, "Deny", f"{request.api_arn}/*/*", context)


def _policy(principal: str, effect: str, resource: str, context: dict[str, str]) -> Answer:
    return {
        "principalId": principal,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}],
        },
        "context": context,
    }
