"""What new versions must do before a request of an app reaches them. Each check ends in a sentence for the operator.

Everywhere: a challenge is issued, evidence is read and refused for the right reason, documents verify under the root
key, and the authorizer tells a missing token from a forged one. Where a software device is trusted (``CANARY_DEVICE``,
never in production), it also enrols, renews, reports and is let in; and what the new version wrote is read by the
version that is live, on which a rollback relies.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import SimpleNamespace
from typing import Any, Final

from bonafide_tokens.errors import UNCHECKED, VERIFIED, BonafideError
from bonafide_tokens.jose import EcPublicKey
from bonafide_tokens.signing import SigningKey, mint_token, public_key_of
from bonafide_tokens.trust_bundle import TrustBundle, open_trust_bundle
from cryptography.hazmat.primitives.asymmetric import ec
from software_device import KnownApp, Root, SoftwareDevice, unknown_root

NO_APP: Final = "bonafide-canary"
"""The app that is asked for where the stack names none; it is registered nowhere."""

HOST: Final = "canary.invalid"
_STAGE: Final = "canary"
_PATH: Final = "/v1/whoami"
_POSTS: Final = {
    "issue_challenge": "/v1/challenges",
    "appraise_evidence": "/v1/attestations",
    "renew_token": "/v1/tokens",
    "report_signal": "/v1/signals",
    "report_failure": "/v1/attestation-failures",
    "release_secrets": "/v1/secrets",
}

_ASKED: Final = {"secrets": ["canary"], "sealing_key": "A" * 43}

Call = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]
"""Has the new version of a function, named by its verb, answer an event; ``live NAME`` the version in use."""


class CheckFailed(Exception):
    """A new version did something else than it must. The message says which and what, for the operator."""


class _Tier(StrEnum):
    AFFIRMING = "affirming"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the checks go by: the stack's names, and the device.

    ``origin`` is what clients see before the paths of the functions at hand, empty for the API's own domain. Without
    ``root`` the stack trusts no software device; ``app`` may be registered all the same.
    """

    issuer: str
    audience: str
    root_keys: tuple[EcPublicKey, ...]
    token_header: str
    proof_header: str
    origin: str
    app: KnownApp
    registered: bool
    root: Root | None
    behind_edge: bool
    """Whether direct calls are refused, and the secret that the edge sends is not known here."""
    now: float

    def url(self, path: str) -> str:
        """The URL that a client would have called."""
        return (self.origin or f"https://{HOST}/{_STAGE}") + path


def check_verifier(call: Call, given: Surroundings) -> Iterator[str]:
    """Check the verifier's functions; a sentence for each thing that holds. Raises :class:`CheckFailed`."""
    bundle = _trust_bundle(call, given)
    yield f"serve_policy: trust bundle {bundle.version} verifies under the root key"
    answer = _answer(call, "serve_policy", "GET", "/.well-known/jwks.json")
    _expect("serve_policy", answer, 200)
    if {key.get("kid") for key in _body(answer).get("keys", [])} != set(bundle.keys):
        raise CheckFailed("serve_policy: the JWKS and the trust bundle have different keys")
    yield "serve_policy: the JWKS has the bundle's keys"
    if given.behind_edge:
        for function, path in _POSTS.items():
            _expect(function, _post(call, function, path, {}), 403, "refused")
            yield f"{function}: a call that does not come through the edge is refused"
        return
    device = SoftwareDevice(given.app, given.root or unknown_root(given.now), given.now)
    body = device.enrolment(_challenge(call, given))
    yield "issue_challenge: a challenge is issued"
    unreadable = {**body, "evidence": [{"format": "android-key-attestation", "certificate_chain": ["AA", "AA", "AA"]}]}
    refused = (400, "malformed-evidence") if given.registered else (404, "unknown-app")
    _expect("appraise_evidence", _post(call, "appraise_evidence", "/v1/attestations", unreadable), *refused)
    yield f"appraise_evidence: unreadable evidence is refused as {refused[1]}"
    answer = _post(call, "appraise_evidence", "/v1/attestations", device.enrolment(_challenge(call, given)))
    if given.root is None:
        untrusted = (403, "evidence-rejected") if given.registered else (404, "unknown-app")
        _expect("appraise_evidence", answer, *untrusted)
        yield f"appraise_evidence: a device that nothing trusts is refused as {untrusted[1]}"
        renewal = _post(call, "renew_token", "/v1/tokens", device.renewal(_challenge(call, given)))
        _expect("renew_token", renewal, 404, "unknown-key")
        yield "renew_token: a key that is not enrolled is refused as unknown-key"
    else:
        yield from _live_together(call, given, device, answer)
    answer = _post(call, "report_signal", "/v1/signals", {"signals": ["debugger"]})
    _expect("report_signal", answer, 401)
    yield "report_signal: a report without a token is refused"
    said = {"app": NO_APP, "code": "other", "platform": "android"}
    _expect("report_failure", _post(call, "report_failure", "/v1/attestation-failures", said), 202)
    yield "report_failure: a report of an app that cannot attest is taken"
    _expect("release_secrets", _post(call, "release_secrets", "/v1/secrets", _ASKED), 401)
    yield "release_secrets: a request without a token is refused"


def _live_together(
    call: Call, given: Surroundings, device: SoftwareDevice, enrolled: Mapping[str, Any]
) -> Iterator[str]:
    _expect("appraise_evidence", enrolled, 201)
    yield "appraise_evidence: the software device is enrolled"
    challenge = str(_body(enrolled)["next_challenge"])
    for function, told in (
        ("live renew_token", "what the new version wrote is read by the version that is live"),
        ("renew_token", "the software device renews, after the version that is live"),
    ):
        renewal = _post(call, function, "/v1/tokens", device.renewal(challenge))
        _expect(function, renewal, 200)
        challenge, token = str(_body(renewal)["next_challenge"]), str(_body(renewal)["token"])
        yield f"renew_token: {told}"
    path, report = "/v1/signals", {"signals": ["canary"]}
    proof = device.proof(method="POST", url=given.url(path), token=token, body=written(report))
    headers = {given.token_header: token, given.proof_header: proof}
    _expect("report_signal", _post(call, "report_signal", path, report, headers), 202)
    yield "report_signal: the software device's report is taken"
    path, asked = "/v1/secrets", _ASKED
    proof = device.proof(method="POST", url=given.url(path), token=token, body=written(asked))
    headers = {given.token_header: token, given.proof_header: proof}
    answer = _post(call, "release_secrets", path, asked, headers)
    _expect("release_secrets", answer, 409, "sealing-key-missing")
    yield "release_secrets: the software device, which has no sealing key, is told so"


def check_authorizer(call: Call, given: Surroundings) -> Iterator[str]:
    """Check the authorizer; a sentence for each thing that holds. Raises :class:`CheckFailed`."""
    found = _request_class(call, {})
    if given.behind_edge and found == UNCHECKED:
        yield "authorize_request: a call that does not come through the edge is refused"
        return
    if found == UNCHECKED:
        raise CheckFailed("authorize_request: it has no valid trust bundle, or asks nothing of any route")
    if found != "no-token":
        raise CheckFailed(f"authorize_request: a request without a token is of class {found}, not no-token")
    yield "authorize_request: it has the trust bundle, and finds that a token is missing"
    device = SoftwareDevice(given.app, given.root or unknown_root(given.now), given.now)
    for kid in sorted(_trust_bundle(call, given).keys):
        found = _request_class(call, _presented(given, device, _forged(given, kid)))
        if found != "invalid":
            raise CheckFailed(f"authorize_request: a token forged for key {kid} is of class {found}, not invalid")
    yield "authorize_request: tokens that are forged under the names of our keys are refused"
    if given.root is None:
        return
    answer = _post(call, "appraise_evidence", "/v1/attestations", device.enrolment(_challenge(call, given)))
    _expect("appraise_evidence", answer, 201)
    token = str(_body(answer)["token"])
    nonce = _context(call, {}).get("dpop_nonce")
    found = _request_class(call, _presented(given, device, token, nonce))
    if found != VERIFIED:
        raise CheckFailed(f"authorize_request: the software device's request is of class {found}, not {VERIFIED}")
    yield "authorize_request: the software device is let in"


def _trust_bundle(call: Call, given: Surroundings) -> TrustBundle:
    answer = _answer(call, "serve_policy", "GET", "/v1/trust-bundle")
    _expect("serve_policy", answer, 200)
    try:
        return open_trust_bundle(str(answer["body"]), root_keys=given.root_keys, issuer=given.issuer, now=given.now)
    except BonafideError as error:
        raise CheckFailed(f"serve_policy: the trust bundle is not valid: {error.detail}") from None


def _challenge(call: Call, given: Surroundings) -> str:
    answer = _post(call, "issue_challenge", "/v1/challenges", {"app": given.app.app})
    _expect("issue_challenge", answer, 201)
    return str(_body(answer).get("challenge"))


def _forged(given: Surroundings, kid: str) -> str:
    """A token like ours in everything but who signed it."""
    key = ec.generate_private_key(ec.SECP256R1())
    return mint_token(
        signing_key=SigningKey(kid, key),
        issuer=given.issuer,
        app=given.app.app,
        audience=(given.audience,),
        request_key=public_key_of(key),
        key_id="forged",
        platform="android",
        app_build=None,
        result=SimpleNamespace(accepted=True, tier=_Tier.AFFIRMING, trustworthiness={}, policy_version=1),
        jti="forged",
        now=given.now,
        lifetime=60,
    )


def _presented(given: Surroundings, device: SoftwareDevice, token: str, nonce: str | None = None) -> dict[str, str]:
    proof = device.proof(method="GET", url=given.url(_PATH), token=token, nonce=nonce)
    return {given.token_header: token, given.proof_header: proof}


def _context(call: Call, headers: Mapping[str, str]) -> Mapping[str, Any]:
    """What the authorizer says of a request, beside letting it pass or not: routes may be off or monitored."""
    event = {
        "type": "REQUEST",
        "methodArn": f"arn:aws:execute-api:eu-central-1:000000000000:{_STAGE}/{_STAGE}/GET{_PATH}",
        **proxy_event("GET", _PATH, None, headers),
    }
    context = call("authorize_request", event).get("context")
    return context if isinstance(context, dict) else {}


def _request_class(call: Call, headers: Mapping[str, str]) -> str:
    return str(_context(call, headers).get("request_class", "none"))


def _post(
    call: Call, function: str, path: str, body: Mapping[str, object], headers: Mapping[str, str] | None = None
) -> Mapping[str, Any]:
    return _answer(call, function, "POST", path, body, headers)


def _answer(
    call: Call,
    function: str,
    method: str,
    path: str,
    body: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Mapping[str, Any]:
    return call(function, proxy_event(method, path, body, headers or {}))


def _body(answer: Mapping[str, Any]) -> dict[str, Any]:
    try:
        body = json.loads(answer.get("body") or "{}")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _expect(function: str, answer: Mapping[str, Any], status: int, slug: str = "") -> None:
    found = str(_body(answer).get("type", "")).rpartition("/")[2]
    if answer.get("statusCode") != status or (slug and found != slug):
        got = f"{answer.get('statusCode', 'no answer')} {found}".strip()
        raise CheckFailed(f"{function}: answered {got}, not {status} {slug}".strip())


def written(body: Mapping[str, object]) -> bytes:
    """A body as it is sent."""
    return json.dumps(body).encode("ascii")


def proxy_event(
    method: str, path: str, body: Mapping[str, object] | None, headers: Mapping[str, str]
) -> dict[str, Any]:
    """A REST API's event (payload 1.0), as API Gateway sends it."""
    sent = {"Content-Type": "application/json", "Host": HOST, **headers}
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": _STAGE,
            "domainName": HOST,
            "httpMethod": method,
            "identity": {"sourceIp": "192.0.2.1", "userAgent": "bonafide-canary"},
            "path": f"/{_STAGE}{path}",
            "protocol": "HTTP/1.1",
            "requestId": "canary",
            "resourcePath": path,
            "stage": _STAGE,
        },
        "body": None if body is None else written(body).decode("ascii"),
        "isBase64Encoded": False,
    }
