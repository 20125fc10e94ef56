"""CodeDeploy's hook runs a software device through real handlers on ministack, and names what is wrong."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import ModuleType
from typing import Any

import check_new_version
import pytest
from botocore.exceptions import ClientError
from check_new_version import calls, check
from service.settings import CheckNewVersionSettings, read_settings
from service.vendors.status_lists import StoredStatusList, packed
from version_checks import Call, CheckFailed, proxy_event

from bonafide.operator.registration import Registration
from devkit.stack.canary_device import canary_device
from tests.service_stack.memory_stack import APP, AUDIENCE, AUTHORITY, ISSUER, PACKAGE, SIGNER
from tests.service_stack.worlds import AwsWorld

pytestmark = pytest.mark.ministack
Load = Callable[[AwsWorld, str], ModuleType]
VERIFIER = (
    *("issue_challenge", "appraise_evidence", "renew_token", "report_signal", "report_failure", "release_secrets"),
    "serve_policy",
)
DEVICE = canary_device(AUTHORITY, app=APP, package=PACKAGE, signer=SIGNER)


@dataclass
class Deployed:
    """The seven functions, in this process, as Lambda would answer for them."""

    handlers: dict[str, Callable[[Any, Any], Any]]
    root_public_key: str
    broken: dict[str, Any] = field(default_factory=dict)
    denied: int = 0
    invoked: list[str] = field(default_factory=list)

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:
        name, _, version = FunctionName.rpartition(":")
        name = name.rpartition(":")[2]
        self.invoked.append(f"{name}:{version}")
        if self.denied:
            self.denied -= 1
            raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "Invoke")
        if name in self.broken and version != "live":
            answer = self.broken[name]
            if answer is None:
                return {"FunctionError": "Unhandled", "Payload": io.BytesIO(b'{"errorMessage": "No module"}')}
        else:
            answer = self.handlers[name](json.loads(Payload), None)
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}

    def settings(self, **changes: str) -> CheckNewVersionSettings:
        arns = {f"{name.upper()}_VERSION": f"arn:aws:lambda:x:1:function:{name}:7" for name in VERIFIER}
        return read_settings(
            CheckNewVersionSettings,
            {
                "STAGE": "dev",
                "STACK_NAME": "stack",
                "TOKEN_ISSUER": ISSUER,
                "AUDIENCE": AUDIENCE,
                "ROOT_PUBLIC_KEY": self.root_public_key,
                "TOKEN_HEADER": "OAuth-Client-Attestation",
                "PROOF_HEADER": "DPoP",
                "ALIAS": "live",
                **arns,
                **changes,
            },
        )

    def check(self, **changes: str) -> list[str]:
        """The sentences of what holds. Raises :class:`CheckFailed`."""
        told: list[str] = []
        settings = self.settings(**changes)
        call: Call = calls(settings, self, sleep=lambda _seconds: None)
        check(settings, call, now=time.time(), told=told.append)
        return told

    def authorizer(self, **changes: str) -> list[str]:
        return self.check(AUTHORIZE_REQUEST_VERSION="arn:aws:lambda:x:1:function:authorize_request:7", **changes)


@pytest.fixture
def deployed(ministack: AwsWorld, function: Load, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    """One app, first keys, and the functions as they start cold."""
    ministack.register(
        Registration(
            app=APP, audiences=(AUDIENCE,), android_packages=(PACKAGE,), android_signing_digests=(SIGNER.hex(),)
        )
    )
    now = int(time.time())
    ministack.status_lists.replace(
        StoredStatusList(content=packed(b'{"entries":{}}'), entries=0, fetched_at=now, fresh_until=now, revision=1)
    )
    root = function(ministack, "rotate_signing_key").handler({"action": "tick"}, None)["RootPublicKey"]
    monkeypatch.setenv("ROOT_PUBLIC_KEY", root)
    handlers = {name: function(ministack, name).handler for name in VERIFIER}
    deployed = Deployed(handlers, root)

    class Bundle(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = handlers["serve_policy"](proxy_event("GET", "/v1/trust-bundle", None, {}), None)
            body = answer["body"].encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Bundle)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    monkeypatch.setenv("TRUST_BUNDLE_URL", f"http://127.0.0.1:{server.server_port}/v1/trust-bundle")
    monkeypatch.setenv("AUDIENCE", AUDIENCE)
    module = function(ministack, "authorize_request")
    module._authorizer.cache_clear()
    handlers["authorize_request"] = module.handler
    yield deployed
    server.shutdown()
    server.server_close()
    thread.join(5)


def test_trusted_device_goes_all_the_way(deployed: Deployed) -> None:
    """Enrolled by the new version, renewed by the one that is live, then by the new one, and let in."""
    told = deployed.check(CANARY_DEVICE=DEVICE)
    assert "renew_token: what the new version wrote is read by the version that is live" in told
    assert told[-5:] == [
        "report_signal: the software device's report is taken",
        "release_secrets: the software device, which has no sealing key, is told so",
        "report_signal: a report without a token is refused",
        "report_failure: a report of an app that cannot attest is taken",
        "release_secrets: a request without a token is refused",
    ]
    assert [name for name in deployed.invoked if name.startswith("renew")] == ["renew_token:live", "renew_token:7"]
    assert deployed.authorizer(CANARY_DEVICE=DEVICE)[-1] == "authorize_request: the software device is let in"


def test_production_is_looked_at_without_a_trusted_device(deployed: Deployed) -> None:
    """Evidence that nothing trusts is read as far as its root, where the stack names a registered app."""
    told = deployed.check(CANARY_APP=APP, STAGE="prod")
    assert "appraise_evidence: unreadable evidence is refused as malformed-evidence" in told
    assert "appraise_evidence: a device that nothing trusts is refused as evidence-rejected" in told
    told = deployed.check(STAGE="prod")
    assert "appraise_evidence: a device that nothing trusts is refused as unknown-app" in told
    assert deployed.authorizer(STAGE="prod")[-1].endswith(
        "tokens that are forged under the names of our keys are refused"
    )


@pytest.mark.parametrize(
    ("verb", "answer", "sentence"),
    [
        ("issue_challenge", {"statusCode": 500, "body": "{}"}, "issue_challenge: answered 500, not 201"),
        ("appraise_evidence", None, "appraise_evidence: it ended with an error instead of an answer; see its log"),
        (
            "appraise_evidence",
            {"statusCode": 201, "body": '{"token": "x", "next_challenge": "x"}'},
            "appraise_evidence: answered 201, not 400 malformed-evidence",
        ),
        ("renew_token", {"statusCode": 503, "body": "{}"}, "renew_token: answered 503, not 404 unknown-key"),
        ("report_signal", {"statusCode": 202, "body": "{}"}, "report_signal: answered 202, not 401"),
        ("serve_policy", {"statusCode": 200, "body": "e30.e30.AAAA"}, "serve_policy: the trust bundle is not valid"),
        ("serve_policy", [], "serve_policy: its answer is no object"),
    ],
)
def test_new_version_that_does_wrong_is_named(deployed: Deployed, verb: str, answer: object, sentence: str) -> None:
    deployed.broken[verb] = answer
    with pytest.raises(CheckFailed) as failed:
        deployed.check(CANARY_APP=APP)
    assert str(failed.value).startswith(sentence)


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ("verified", "authorize_request: a request without a token is of class verified, not no-token"),
        ("unchecked", "authorize_request: it has no valid trust bundle, or asks nothing of any route"),
        ("no-token", "authorize_request: a token forged for key "),
    ],
)
def test_authorizer_that_does_wrong_is_named(deployed: Deployed, found: str, sentence: str) -> None:
    """The last one finds no token in any request."""
    deployed.broken["authorize_request"] = {"context": {"request_class": found}}
    with pytest.raises(CheckFailed) as failed:
        deployed.authorizer()
    assert str(failed.value).startswith(sentence)


def test_authorizer_that_lets_nothing_in_is_noticed_where_a_device_is_trusted(deployed: Deployed) -> None:
    """It refuses forged tokens, and all others too."""

    def refusing(event: Mapping[str, Any], _context: object) -> object:
        found = "invalid" if "OAuth-Client-Attestation" in event["headers"] else "no-token"
        return {"context": {"request_class": found}}

    deployed.handlers["authorize_request"] = refusing
    with pytest.raises(CheckFailed, match="the software device's request is of class invalid, not verified"):
        deployed.authorizer(CANARY_DEVICE=DEVICE)


def test_functions_behind_an_edge_are_asked_as_the_edge_asks(
    deployed: Deployed, ministack: AwsWorld, function: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the edge's secret, they are seen to refuse direct calls; functions that did not would be found."""
    secret = "the edge's secret"
    hashes = {"ORIGIN_SECRET_HASHES": sha256(secret.encode()).hexdigest()}
    with pytest.raises(CheckFailed, match="issue_challenge: answered 400 malformed-request, not 403 refused"):
        deployed.check(**hashes)
    monkeypatch.setenv("ORIGIN_SECRET_HASHES", hashes["ORIGIN_SECRET_HASHES"])
    deployed.handlers |= {name: function(ministack, name).handler for name in VERIFIER}
    module = function(ministack, "authorize_request")
    module._authorizer.cache_clear()
    deployed.handlers["authorize_request"] = module.handler
    assert deployed.check(**hashes)[-1] == "release_secrets: a call that does not come through the edge is refused"
    assert deployed.authorizer(**hashes) == ["authorize_request: a call that does not come through the edge is refused"]
    edge = {**hashes, "CANARY_ORIGIN_SECRET": secret, "CANARY_DEVICE": DEVICE}
    assert deployed.check(**edge)[-1] == "release_secrets: a request without a token is refused"
    assert deployed.authorizer(**edge)[-1] == "authorize_request: the software device is let in"


def test_permission_that_does_not_count_yet_is_waited_for(deployed: Deployed) -> None:
    """It came with the same deployment."""
    deployed.denied = 2
    assert deployed.check()
    deployed.denied = 1000
    with pytest.raises(CheckFailed, match="could not be invoked \\(AccessDeniedException\\)"):
        deployed.check()


@pytest.mark.parametrize(("broken", "status"), [(False, "Succeeded"), (True, "Failed")])
def test_codedeploy_is_told_in_either_case(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch, broken: bool, status: str
) -> None:
    """A hook that says nothing holds a deployment up for an hour."""
    told: list[dict[str, str]] = []

    class CodeDeploy:
        def put_lifecycle_event_hook_execution_status(self, **given: str) -> None:
            told.append(given)

    settings = deployed.settings(CANARY_APP=APP)
    if broken:
        deployed.broken["renew_token"] = None
    monkeypatch.setattr(check_new_version, "code_deploy", CodeDeploy)
    monkeypatch.setattr(check_new_version, "functions", lambda _seconds: deployed)
    monkeypatch.setattr(check_new_version, "read_settings", lambda _kind, _env: settings)
    answer = check_new_version.handler({"DeploymentId": "d-1", "LifecycleEventHookExecutionId": "x"}, None)
    assert told == [{"deploymentId": "d-1", "lifecycleEventHookExecutionId": "x", "status": status}]
    assert bool(answer["failed"]) is broken


def test_wrong_settings_are_a_no(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check that cannot be made is one that failed."""
    assert check_new_version.verdict({}, now=0).startswith("environment variable")
    monkeypatch.setattr(check_new_version, "read_settings", lambda _kind, _env: 1 / 0)
    assert check_new_version.verdict({}, now=0) == "the checks themselves failed: ZeroDivisionError"
