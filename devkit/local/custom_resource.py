"""Runs the template's custom resources as CloudFormation does: invoke the function, wait for its PUT."""

from __future__ import annotations

import http.client
import json
import threading
import urllib.request
import uuid
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bonafide.operator.layout import LOOPBACK, LocalStackError
from devkit.local.template import Template

_LARGEST_ANSWER = 4096  # CloudFormation's own limit
_TIMEOUT = 60.0


class _AnswerBox(ThreadingHTTPServer):
    """Stands for the presigned URL that CloudFormation gives to the function."""

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), _AnswerHandler)
        self.arrived = threading.Event()
        self.answer: dict[str, Any] = {}

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.server_address[1]}/answer"


class _AnswerHandler(BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("Content-Length", "0")), _LARGEST_ANSWER))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        if isinstance(self.server, _AnswerBox):
            self.server.answer = json.loads(body)
            self.server.arrived.set()

    def log_message(self, *_arguments: Any) -> None:
        """Nothing."""


def custom_resources(template: Template) -> list[tuple[str, dict[str, Any]]]:
    """Those that a template has under its conditions, in its order, with their logical ids."""
    resources: Mapping[str, dict[str, Any]] = template.data["Resources"]
    return [
        (name, resource)
        for name, resource in resources.items()
        if resource["Type"].startswith("Custom::")
        and ("Condition" not in resource or template.condition(resource["Condition"]))
    ]


def create_custom_resource(
    logical_id: str, *, kind: str, properties: Mapping[str, Any], function: str, lambda_url: str, stack_id: str
) -> dict[str, str]:
    """Create a custom resource; the attributes it returns, for `GetAtt`.

    Raises:
        LocalStackError: when the function reports a failure, or reports nothing.
    """
    box = _AnswerBox()
    threading.Thread(target=box.serve_forever, args=(0.02,), daemon=True).start()
    event = {
        "RequestType": "Create",
        "ResponseURL": box.url,
        "StackId": stack_id,
        "RequestId": str(uuid.uuid4()),
        "ResourceType": kind,
        "LogicalResourceId": logical_id,
        "ResourceProperties": dict(properties),
    }
    try:
        output = invoke(lambda_url, function, event)
        if not box.arrived.wait(_TIMEOUT if "errorMessage" not in output else 0.1):
            raise LocalStackError(f"{function} did not answer for {logical_id}: {output}")
    finally:
        box.shutdown()
        box.server_close()
    if box.answer.get("Status") != "SUCCESS":
        raise LocalStackError(f"{function} could not make {logical_id}: {box.answer.get('Reason', 'no reason given')}")
    return {name: str(value) for name, value in box.answer.get("Data", {}).items()}


def invoke(lambda_url: str, function: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Invoke a function at a Lambda endpoint and wait for its answer.

    Raises:
        LocalStackError: when the endpoint does not answer.
    """
    request = urllib.request.Request(
        f"{lambda_url}/2015-03-31/functions/{function}/invocations",
        data=json.dumps(event).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:
            output = json.loads(answer.read() or b"null")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise LocalStackError(f"{function} could not be invoked: {error}") from error
    return output if isinstance(output, dict) else {"value": output}
