"""CodeDeploy, and what CloudFormation does with it, in front of ministack, which has neither.

Real: `make deploy`, `sam deploy`, the template, the check's function with the versions that were just published, its
call of CodeDeploy, its log. Fake: CodeDeploy's answers; and of CloudFormation, that an update waits for the check
before it is complete, that it is said to be rolled back when the check says no, and the names of CodeDeploy's
resources. The alias has moved by then, and nothing is put back: what is shown is what a person is told, and the exit
code.
"""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import boto3
from botocore.exceptions import ClientError

from bonafide.operator.local_account import client_arguments

DEPLOYMENT = "d-FAKE00001"
ALIAS = "RenewTokenFunctionAliaslive"
_HOP = {"connection", "transfer-encoding", "content-length", "host", "keep-alive"}
_PATIENCE = 120.0


@dataclass
class FakeCodeDeploy:
    """``stack`` is watched: an update of it is a deployment. ``statuses`` are what checks told CodeDeploy."""

    behind: str
    region: str
    stack: str
    state: str = "none"
    """``none``, ``running``, ``failed`` or ``succeeded``."""
    statuses: list[str] = field(default_factory=list)
    url: str = ""
    began: float = 0.0

    def aws(self, service: str) -> Any:
        return boto3.client(service, **client_arguments(self.behind, self.region))  # type: ignore[call-overload]

    def code_deploy(self, operation: str, given: dict[str, Any]) -> dict[str, Any]:
        """CodeDeploy's own answers."""
        if operation == "PutLifecycleEventHookExecutionStatus":
            assert given["deploymentId"] == DEPLOYMENT
            self.statuses.append(given["status"])
            return {"lifecycleEventHookExecutionId": given["lifecycleEventHookExecutionId"]}
        if operation == "ListDeployments":
            return {"deployments": [DEPLOYMENT] if self.state == "failed" else []}
        if operation == "GetDeployment":
            error = {"code": "HEALTH_CONSTRAINTS", "message": "The lifecycle event BeforeAllowTraffic failed."}
            return {"deploymentInfo": {"deploymentId": DEPLOYMENT, "status": "Failed", "errorInformation": error}}
        assert operation == "GetDeploymentConfig", operation
        return {"deploymentConfigInfo": {"deploymentConfigName": given["deploymentConfigName"]}}

    def is_update(self) -> bool:
        """Whether the stack is there already. (SAM CLI's own, for its bucket, comes before it.)"""
        try:
            (found,) = self.aws("cloudformation").describe_stacks(StackName=self.stack)["Stacks"]
        except ClientError:
            return False
        return str(found["StackStatus"]).endswith("_COMPLETE")

    def deploy(self) -> None:
        """Wait for ministack's update, and have the check look at the new versions."""
        self.statuses.clear()
        try:
            self._check()
        finally:
            self.state = "succeeded" if self.statuses == ["Succeeded"] else "failed"

    def _check(self) -> None:
        cloudformation = self.aws("cloudformation")
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            (found,) = cloudformation.describe_stacks(StackName=self.stack)["Stacks"]
            if found["StackStatus"].endswith("UPDATE_COMPLETE"):
                break
            time.sleep(0.3)
        resources = cloudformation.describe_stack_resources(StackName=self.stack)["StackResources"]
        ids = {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in resources}
        event = {"DeploymentId": DEPLOYMENT, "LifecycleEventHookExecutionId": "hook"}
        self.aws("lambda").invoke(FunctionName=ids["CheckVerifierFunction"], Payload=json.dumps(event).encode())

    def told(self, action: str, answer: bytes) -> bytes:
        """What CloudFormation would say."""
        if self.state in ("running", "failed") and action in ("DescribeStacks", "DescribeStackEvents"):
            other = b"UPDATE_IN_PROGRESS" if self.state == "running" else b"UPDATE_ROLLBACK_COMPLETE"
            answer = answer.replace(b">UPDATE_COMPLETE<", b">" + other + b"<")
        if self.state in ("failed", "succeeded") and action == "DescribeStackEvents":
            # ministack's own end of the update was shown as under way, and SAM CLI looks at no event twice.
            end = "UPDATE_ROLLBACK_COMPLETE" if self.state == "failed" else "UPDATE_COMPLETE"
            events = self._event(self.stack, "AWS::CloudFormation::Stack", end, "")
            if self.state == "failed":
                reason = f"CodeDeploy deployment {DEPLOYMENT} failed"
                events += self._event(ALIAS, "AWS::Lambda::Alias", "UPDATE_FAILED", reason)
            answer = answer.replace(b"<StackEvents>", b"<StackEvents>" + events, 1)
        if self.state == "failed" and action == "DescribeStackResources":
            for kind, name in (("Application", "ServerlessDeploymentApplication"), ("DeploymentGroup", ALIAS)):
                resource = {"LogicalResourceId": name, "PhysicalResourceId": name, "ResourceStatus": "CREATE_COMPLETE"}
                more = _member(
                    {**resource, "ResourceType": f"AWS::CodeDeploy::{kind}", "Timestamp": "2026-01-01T00:00:00Z"}
                )
                answer = answer.replace(b"<StackResources>", b"<StackResources>" + more, 1)
        return answer

    def _event(self, name: str, kind: str, status: str, reason: str) -> bytes:
        return _member(
            {
                "StackName": self.stack,
                "StackId": "id",
                "EventId": f"{name}-{self.began}",
                "LogicalResourceId": name,
                "PhysicalResourceId": "id",
                "ResourceType": kind,
                "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "ResourceStatus": status,
                "ResourceStatusReason": reason,
            }
        )


def _member(members: dict[str, str]) -> bytes:
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in members.items())
    return f"<member>{inner}</member>".encode()


def _handler(fake: FakeCodeDeploy) -> type[BaseHTTPRequestHandler]:
    class Front(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self._body()
            target = self.headers.get("X-Amz-Target", "")
            if target.startswith("CodeDeploy_"):
                said = fake.code_deploy(target.rpartition(".")[2], json.loads(body or b"{}"))
                self._answer(200, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(said).encode())
                return
            form = self.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded")
            action = parse_qs(body.decode("ascii", "replace")).get("Action", [""])[0] if form else ""
            update = action == "ExecuteChangeSet" and fake.is_update()
            status, headers, answer = self._forward(body)
            if update:
                fake.state, fake.began = "running", time.time()
                threading.Thread(target=fake.deploy, daemon=True).start()
            self._answer(status, headers, fake.told(action, answer))

        do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = do_PATCH = handle_any

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            whole = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                whole += self.rfile.read(size)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return whole

        def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            request = urllib.request.Request(fake.behind + self.path, body or None, headers, method=self.command)
            try:
                with urllib.request.urlopen(request, timeout=300) as answer:
                    return answer.status, dict(answer.headers.items()), answer.read()
            except urllib.error.HTTPError as refusal:
                with refusal:
                    return refusal.code, dict(refusal.headers.items()), refusal.read()

        def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            length = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(body))
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Quiet."""

    return Front


@contextmanager
def codedeploy_in_front(fake: FakeCodeDeploy) -> Iterator[FakeCodeDeploy]:
    """Serve it on the loopback interface; ``url`` is its address. ``behind`` may be set later."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
