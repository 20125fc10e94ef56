"""How API Gateway reads the policy that a Lambda authorizer returns.

SAM CLI's own reading differs from AWS in ways that matter for security: it ignores an explicit Deny and knows no
action but `execute-api:Invoke` in that spelling. Here: an explicit Deny wins, wildcards match in actions and
resources, actions are case-insensitive, and what nothing allows is denied (IAM policy evaluation logic).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

INVOKE = "execute-api:Invoke"


class InvalidPolicy(Exception):
    """The authorizer's answer is not one that API Gateway can read; it answers 500."""


def is_allowed(answer: Any, method_arn: str) -> bool:
    """Whether an authorizer's answer allows this method.

    Raises:
        InvalidPolicy: when the answer has no readable policy document or no principal.
    """
    statements = _statements(answer)
    effects = {statement["Effect"] for statement in statements if _applies(statement, method_arn)}
    return "Deny" not in effects and "Allow" in effects


def authorizer_context(answer: Any) -> dict[str, str]:
    """What the backend gets as `requestContext.authorizer`: the context as strings, and the principal.

    Raises:
        InvalidPolicy: for a context that is not flat; API Gateway refuses lists and objects in it.
    """
    context = answer.get("context") or {}
    if not isinstance(context, dict):
        raise InvalidPolicy("the context is not an object")
    flat = {}
    for name, value in context.items():
        if isinstance(value, (dict, list)):
            raise InvalidPolicy(f"context member {name} is not a plain value")
        flat[name] = str(value).lower() if isinstance(value, bool) else str(value)
    return {**flat, "principalId": str(answer.get("principalId", ""))}


def _statements(answer: Any) -> list[dict[str, Any]]:
    if not isinstance(answer, dict) or not isinstance(answer.get("principalId"), str):
        raise InvalidPolicy("the answer names no principal")
    document = answer.get("policyDocument")
    statements = document.get("Statement") if isinstance(document, dict) else None
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        raise InvalidPolicy("the answer holds no policy statement")
    for statement in statements:
        if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
            raise InvalidPolicy("a statement has no effect")
        if "Action" not in statement or "Resource" not in statement:
            raise InvalidPolicy("a statement has no action or no resource")
    return statements


def _applies(statement: dict[str, Any], method_arn: str) -> bool:
    actions, resources = _listed(statement["Action"]), _listed(statement["Resource"])
    return any(_matches(action.lower(), INVOKE.lower()) for action in actions) and any(
        _matches(resource, method_arn) for resource in resources
    )


def _listed(value: Any) -> Iterable[str]:
    return value if isinstance(value, list) else [str(value)]


def _matches(pattern: str, text: str) -> bool:
    expression = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None
