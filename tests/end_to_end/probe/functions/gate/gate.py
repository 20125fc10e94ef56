"""An authorizer that answers as the X-Token header (or the token of a TOKEN authorizer) says."""

from __future__ import annotations

from typing import Any


def handler(event: dict[str, Any], _context: Any) -> Any:
    """Answers, or raises, by the wish in the request."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    wish = event.get("authorizationToken") or headers.get("x-token", "nothing")
    if event.get("version") == "2.0":
        return _simple(event, wish)
    method = event["methodArn"]
    api = "/".join(method.split("/")[:2])
    match wish:
        case "allow":
            return _answer(event, ("Allow", "execute-api:Invoke", f"{api}/*/*"))
        case "allow-other":
            return _answer(event, ("Allow", "execute-api:Invoke", f"{api}/*/elsewhere"))
        case "wildcard-action":
            return _answer(event, ("Allow", "execute-api:*", f"{api}/*"))
        case "deny":
            return _answer(event, ("Deny", "execute-api:Invoke", f"{api}/*/*"))
        case "allow-and-deny":
            return _answer(event, ("Allow", "*", "*"), ("Deny", "execute-api:Invoke", method))
        case "unauthorized":
            raise Exception("Unauthorized")  # noqa: TRY002 - API Gateway goes by exactly this message
        case "raise":
            raise ValueError("something else")
        case "garbage":
            return {"allowed": True}
        case "nested":
            return _answer(event, ("Allow", "*", "*")) | {"context": {"roles": ["admin"]}}
    return _answer(event, ("Deny", "*", "*"))


def _simple(event: dict[str, Any], wish: str) -> Any:
    match wish:
        case "unauthorized":
            raise Exception("Unauthorized")  # noqa: TRY002 - API Gateway goes by exactly this message
        case "raise":
            raise ValueError("something else")
        case "garbage":
            return {"isAuthorized": "yes"}
    seen = {"route_arn": event["routeArn"], "number": 7, "saw_body": "body" in event, "raw_path": event["rawPath"]}
    return {"isAuthorized": wish == "allow", "context": seen}


def _answer(event: dict[str, Any], *statements: tuple[str, str, str]) -> dict[str, Any]:
    wrote = [{"Effect": effect, "Action": action, "Resource": resource} for effect, action, resource in statements]
    return {
        "principalId": "caller",
        "policyDocument": {"Version": "2012-10-17", "Statement": wrote},
        "context": {
            "why": "because",
            "challenge": 'DPoP error="probe"',
            "number": 7,
            "method_arn": event["methodArn"],
            "saw_body": "body" in event,
            "type": event["type"],
        },
    }
