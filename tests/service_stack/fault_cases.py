"""One good request for each function, and what it leaves behind: the rows of the fault matrix."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from attestation.appraisal.cedar.engine import default_policy
from bonafide_tokens.signed_body import content_digest
from service.deadline import MARGIN
from service.keys.publish_debounce import DynamoDBPublishDebounce

from bonafide.operator.registration import Registration
from bonafide.operator.runtime_secrets import value
from devkit.devices.client import PROOF_HEADER, TOKEN_HEADER, secrets_body
from tests.service_stack.events import json_of, rest_event
from tests.service_stack.matrix_stack import ONCE_URL, SECRET, MatrixStack
from tests.service_stack.memory_stack import (
    APP,
    APP_ID,
    VERIFIER_ORIGIN,
)


@dataclass(frozen=True, slots=True)
class Case:
    """A function's good request. ``seconds`` are its Timeout in the template; ``left`` counts what a success leaves,
    which is one of each, however often it was tried, and of the audit ``entries`` for each change; ``http`` says that
    it answers a gateway. ``repeated`` makes what a client sends after a 503, where that is not the very same request.
    """

    name: str
    function: str
    event: Callable[[MatrixStack], Any]
    left: tuple[str, ...] = ()
    seconds: float = 10
    http: bool = True
    good: Callable[[Any], bool] = lambda answer: answer["statusCode"] in (200, 201, 202)
    repeated: Callable[[MatrixStack], Any] | None = None
    entries: int = 1

    def __str__(self) -> str:
        return self.name


def _renewal(stack: MatrixStack) -> Any:
    installation, answer = stack.enrolled()
    return rest_event(
        "POST", "/v1/tokens", installation.renewal_body(installation.client_data(answer["next_challenge"]))
    )


def _signal(stack: MatrixStack) -> Any:
    installation, answer = stack.enrolled()
    stack.reporting = installation, answer["token"]
    # A marker of the row before would stand for its wish, and nothing would be invoked.
    DynamoDBPublishDebounce(stack.world.dynamodb, stack.world.tables["revocations"]).remove()
    return _signal_again(stack)


def _signal_again(stack: MatrixStack) -> Any:
    """The same report with another proof: each is good once (docs/api.md)."""
    assert stack.reporting is not None
    installation, token = stack.reporting
    body = json.dumps({"signals": ["hooking"]}).encode()
    proof = installation.proof(
        method="POST", url=VERIFIER_ORIGIN + "/v1/signals", token=token, content_digest=content_digest(body)
    )
    headers = {TOKEN_HEADER: token, PROOF_HEADER: proof}
    return rest_event("POST", "/v1/signals", body.decode(), headers=headers)


def _secrets(stack: MatrixStack) -> Any:
    installation = stack.iphone()
    installation.make_sealing_key()
    answer = stack.call("appraise_evidence", stack.attestation(installation))
    assert answer["statusCode"] == 201, answer
    stack.reporting = installation, json_of(answer)["token"]
    return _secrets_again(stack)


def _secrets_again(stack: MatrixStack) -> Any:
    """The same request with another proof: each is good once."""
    assert stack.reporting is not None
    installation, token = stack.reporting
    body = secrets_body((SECRET,), installation.sealing_key_thumbprint)
    url = VERIFIER_ORIGIN + "/v1/secrets"
    proof = installation.proof(method="POST", url=url, token=token, content_digest=content_digest(body))
    return rest_event("POST", "/v1/secrets", body.decode(), headers={TOKEN_HEADER: token, PROOF_HEADER: proof})


def _runtime_secret(_stack: MatrixStack) -> Any:
    return _admin("POST", f"/admin/apps/{APP}/runtime-secrets/key-{secrets.token_hex(4)}", {**value(b"x"), "why": "m"})


def _admin(method: str, path: str, body: Mapping[str, object] | None) -> dict[str, Any]:
    event = rest_event(method, path, body)
    event["pathParameters"] = {"proxy": path.removeprefix("/admin/")}
    event["requestContext"]["identity"]["userArn"] = "arn:aws:iam::123456789012:user/ann"
    return event


def _policy(stack: MatrixStack) -> Any:
    app = f"app-{secrets.token_hex(4)}"
    stack.world.register(Registration(app=app, apple_app_ids=(APP_ID,)))
    draft = {"appraisal": default_policy().text, "why": "matrix", "expected_version": 0, "effect": "now"}
    return _admin("POST", f"/admin/policies/{app}", draft)


def _block(stack: MatrixStack) -> Any:
    key_id = str(stack.enrolled()[1]["key_id"])
    return _admin("POST", f"/admin/keys/{key_id}/block", {"reason": "matrix", "seconds": 3600})


def _unblock(stack: MatrixStack) -> Any:
    event = _block(stack)
    assert stack.call("administer", event)["statusCode"] == 200
    key_id = event["path"].split("/")[3]
    return _admin("POST", f"/admin/keys/{key_id}/unblock", {})


def _routes(_stack: MatrixStack) -> Any:
    body = {"routes": [["*", "/*", "token"]], "revision": 0, "why": "matrix"}
    return _admin("PUT", f"/admin/apis/api-{secrets.token_hex(4)}", body)


def _not_before(stack: MatrixStack) -> Any:
    app = f"app-{secrets.token_hex(4)}"
    stack.world.register(Registration(app=app, apple_app_ids=(APP_ID,)))
    return _admin("POST", f"/admin/apps/{app}/not-before", {"why": "matrix"})


def _registration(_stack: MatrixStack) -> Any:
    return _admin("PUT", f"/admin/apps/app-{secrets.token_hex(4)}", {"apple_app_ids": [APP_ID], "why": "matrix"})


def _client_policy(_stack: MatrixStack) -> Any:
    path = f"/v1/client-policies/{APP}"
    return rest_event("GET", path, resource="/v1/client-policies/{app}", query={"install": "matrix"})


def _guarded(stack: MatrixStack) -> Any:
    installation, answer = stack.enrolled()
    stack.reporting = installation, answer["token"]
    return _guarded_again(stack)


def _guarded_again(stack: MatrixStack) -> Any:
    """The same call with another proof: the authorizer says so by its action."""
    assert stack.reporting is not None
    installation, token = stack.reporting
    proof = installation.proof(method="POST", url=ONCE_URL, token=token)
    arn = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3d4e5/dev/POST/orders"
    headers = {TOKEN_HEADER: token, PROOF_HEADER: proof, "Host": "api.example.test"}
    event = rest_event("POST", "/orders", headers=headers)
    event["requestContext"] |= {"path": "/dev/orders", "domainName": "api.example.test"}
    return {**event, "type": "REQUEST", "methodArn": arn}


def _allowed(answer: Any) -> bool:
    return bool(answer["policyDocument"]["Statement"][0]["Effect"] == "Allow")


CASES = (
    Case("challenge", "issue_challenge", lambda _stack: rest_event("POST", "/v1/challenges", {"app": APP})),
    Case(
        "enrolment", "appraise_evidence", lambda stack: stack.attestation(stack.iphone()), ("nonces", "attested_keys")
    ),
    Case(
        "enrolment with Play",
        "appraise_evidence",
        lambda stack: stack.attestation(stack.android()),
        ("nonces", "attested_keys"),
    ),
    Case("renewal", "renew_token", _renewal, ("nonces",)),
    Case("signal that blocks", "report_signal", _signal, ("revocations",), repeated=_signal_again),
    Case("secret", "release_secrets", _secrets, (), repeated=_secrets_again),
    Case("trust bundle", "serve_policy", lambda _stack: rest_event("GET", "/v1/trust-bundle")),
    Case("client policy", "serve_policy", _client_policy),
    Case("policy, now", "administer", _policy, ("audit",), 29),
    Case("block", "administer", _block, ("audit", "revocations"), 29, entries=2),  # of the key, and of its app
    Case("unblock", "administer", _unblock, ("audit",), 29, entries=2),
    Case("routes", "administer", _routes, ("audit", "apis"), 29),
    Case("not-before", "administer", _not_before, ("audit", "revocations"), 29),
    Case("registration", "administer", _registration, ("audit", "apps"), 29),
    Case("runtime secret", "administer", _runtime_secret, ("audit", "runtime_secrets"), 29),
    Case("publication", "publish_bundle", lambda _stack: {"action": "publish"}, (), 60, False, bool),
    Case("rotation", "rotate_signing_key", lambda _stack: {"action": "tick"}, (), 60, False, bool),
    Case(
        "status list", "refresh_endorsements", lambda _stack: {"action": "refresh", "force": True}, (), 60, False, bool
    ),
    Case("guarded call, proof-once", "authorize_request", _guarded, (), 5, False, _allowed, _guarded_again),
)


def deadline_of(case: Case) -> float:
    """Seconds by which its answer must be there: the function's time, with the margin that it keeps."""
    return min(case.seconds, 29.0) if case.http else case.seconds - MARGIN
