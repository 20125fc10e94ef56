"""Does what its path says, well or badly."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import sys
import time
from typing import Any

from snapshot_restore_py import (  # type: ignore[import-not-found]  # the Lambda runtime brings it
    register_after_restore,
    register_before_snapshot,
)

_HOOKS: list[str] = []
_CALLS: list[int] = []


@register_before_snapshot  # type: ignore[untyped-decorator]
def _before() -> None:
    _HOOKS.append("before snapshot")


@register_after_restore  # type: ignore[untyped-decorator]
def _after() -> None:
    _HOOKS.append("after restore")


def handler(event: dict[str, Any], context: Any) -> Any:
    """The verb is the last part of the path, or the whole event's."""
    _CALLS.append(1)
    verb = (event.get("pathParameters") or {}).get("verb") or event.get("verb")
    match verb:
        case "echo":
            return _json(200, event)
        case "create":
            return _json(201, {"made": True})
        case "conflict":
            return _json(409, {"type": "conflict"})
        case "bytes":
            return {
                "statusCode": 200,
                "headers": {"Content-Type": "application/octet-stream"},
                "isBase64Encoded": True,
                "body": base64.b64encode(bytes(range(256))).decode(),
            }
        case "cookies":
            return {
                "statusCode": 200,
                "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]},
                "headers": {"WWW-Authenticate": "Basic", "Server": "mine"},
                "body": "ok",
            }
        case "raise":
            raise ValueError("the handler raised")
        case "exit":
            sys.exit(3)
        case "sleep":
            time.sleep(30)
            return _json(200, {})
        case "print":
            print("a line on standard output")
            return _json(200, {})
        case "shapeless":
            return {"statusCode": 200, "bodyy": "typo"}
        case "text":
            return "not an object"
        case "inside":
            return _json(200, _inside(context))
        case "pid":
            time.sleep(0.2)
            return _json(200, {"pid": os.getpid(), "calls": len(_CALLS)})
        case _:
            return _json(404, {})


def _inside(context: Any) -> dict[str, Any]:
    modules = ("cryptography", "boto3", "pydantic", "typer", "pytest", "bonafide", "samcli")
    return {
        "modules": {name: importlib.util.find_spec(name) is not None for name in modules},
        "environment": dict(os.environ),
        "hooks": _HOOKS,
        "remaining": context.get_remaining_time_in_millis(),
        "working_directory": os.getcwd(),
    }


def _json(status: int, body: Any) -> dict[str, Any]:
    return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}
