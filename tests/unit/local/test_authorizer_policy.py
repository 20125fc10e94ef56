"""API Gateway's reading of an authorizer's answer, where it differs from SAM CLI's."""

from __future__ import annotations

from typing import Any

import pytest

from devkit.gateway.authorizer_policy import InvalidPolicy, authorizer_context, is_allowed

METHOD = "arn:aws:execute-api:eu-central-1:000000000000:api/dev/GET/v1/orders/7"
WHOLE_STAGE = "arn:aws:execute-api:eu-central-1:000000000000:api/dev/*/*"


def statement(effect: str = "Allow", action: Any = "execute-api:Invoke", resource: Any = WHOLE_STAGE) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource}


def answer(*statements: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"principalId": "key", "policyDocument": {"Statement": list(statements or [statement()])}, **more}


def test_allow_of_whole_stage_admits_the_method() -> None:
    """One Allow that matches is enough."""
    assert is_allowed(answer(), METHOD)


def test_explicit_deny_beside_allow_wins() -> None:
    """IAM: an explicit Deny overrides any Allow. SAM CLI lets this request through."""
    assert not is_allowed(answer(statement(), statement("Deny", resource=METHOD)), METHOD)


def test_deny_of_another_method_leaves_the_allow() -> None:
    """A Deny that does not match changes nothing."""
    assert is_allowed(answer(statement(), statement("Deny", resource=METHOD.replace("GET", "POST"))), METHOD)


@pytest.mark.parametrize("action", ["execute-api:*", "*", "EXECUTE-API:invoke", ["x:y", "execute-api:Inv?ke"]])
def test_action_in_another_spelling_matches(action: Any) -> None:
    """Actions are case-insensitive and may hold wildcards. SAM CLI knows one spelling."""
    assert is_allowed(answer(statement(action=action)), METHOD)


@pytest.mark.parametrize(
    "changed",
    [
        statement(action="s3:GetObject"),
        statement(resource=WHOLE_STAGE.replace("/dev/", "/prod/")),
        statement(resource=WHOLE_STAGE.replace("api/", "other/")),
        statement(resource=METHOD[:-1]),
        statement(resource=METHOD.replace(".", "+").replace("/7", "/[0-9]")),
    ],
)
def test_allow_of_something_else_denies(changed: dict[str, Any]) -> None:
    """What nothing allows is denied; a resource is no regular expression."""
    assert not is_allowed(answer(changed), METHOD)


@pytest.mark.parametrize(
    "broken",
    [
        None,
        [],
        {},
        {"principalId": "key"},
        {"principalId": 7, "policyDocument": {"Statement": [statement()]}},
        {"policyDocument": {"Statement": [statement()]}},
        {"principalId": "key", "policyDocument": {"Statement": []}},
        answer({"Effect": "Perhaps", "Action": "*", "Resource": "*"}),
        answer({"Effect": "Allow", "Action": "*"}),
    ],
)
def test_answer_that_is_no_policy_is_invalid(broken: Any) -> None:
    """API Gateway answers 500 rather than guess."""
    with pytest.raises(InvalidPolicy):
        is_allowed(broken, METHOD)


def test_context_reaches_the_backend_as_strings() -> None:
    """Numbers and booleans arrive as text, with the principal beside them."""
    context = authorizer_context(answer(context={"tier": "affirming", "version": 3, "proved": True}))
    assert context == {"tier": "affirming", "version": "3", "proved": "true", "principalId": "key"}


def test_nested_context_is_invalid() -> None:
    """API Gateway refuses lists and objects in a context."""
    with pytest.raises(InvalidPolicy):
        authorizer_context(answer(context={"roles": ["admin"]}))
