"""A test stand for the gate: keys, a bundle, an authorizer in memory, and a request that passes unless changed.

Each test changes one thing of a :class:`Call` and names the one reason that must come of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from time import monotonic
from typing import Any
from urllib.parse import parse_qs

from attestation.appraisal.result import AttestationResult, Tier
from authorize_request import Authorizer
from bonafide_tokens.gate.bundle_client import BundleAnswer
from bonafide_tokens.gate.bundle_keeper import BundleKeeper
from bonafide_tokens.gate.gate import Gate
from bonafide_tokens.gate.settings import GateSettings
from bonafide_tokens.jose import EcPublicKey, b64url_decode, b64url_encode
from bonafide_tokens.routes import Requirement, RouteRequirement
from bonafide_tokens.signing import SigningKey, make_proof, mint_token, public_key_of, sign_trust_bundle
from bonafide_tokens.trust_bundle import AppStatus, TrustBundle, open_trust_bundle
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from spent_proofs import SpentProofs

NOW = 1_800_000_000.0
ISSUER = "bonafide-prod"
AUDIENCE = "https://api.example.com"
APP = "orders-ios"
KEY_ID = "aGVsbG8taGVsbG8taGVsbG8taGVsbG8taGVsbG8taGU"
ROUTES = (
    RouteRequirement("GET", "/v1/whoami", Requirement.TOKEN),
    RouteRequirement("*", "/public/*", Requirement.OFF),
    RouteRequirement("*", "/beta/*", Requirement.MONITOR),
    RouteRequirement("*", "/*", Requirement.PROOF),
)
RESULT = AttestationResult(
    tier=Tier.AFFIRMING,
    findings=(),
    trustworthiness={
        "instance-identity": 2,
        "configuration": 2,
        "executables": 3,
        "hardware": 2,
        "storage-opaque": 2,
    },
    policy_version=17,
)


@cache
def private_key(name: str) -> ec.EllipticCurvePrivateKey:
    """A P-256 key by name: the same for a whole test run."""
    assert name
    return ec.generate_private_key(ec.SECP256R1())


@cache
def public_key(name: str) -> EcPublicKey:
    """The public half of :func:`private_key`."""
    return public_key_of(private_key(name))


def key_management_service(name: str) -> Callable[[bytes], bytes]:
    """Signs digests, as KMS does with ``MessageType=DIGEST``."""
    return lambda digest: private_key(name).sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))


def bundle(**changes: Any) -> TrustBundle:
    """The stack's trust bundle, version 7, with ``changes``."""
    usual = TrustBundle(
        issuer=ISSUER,
        version=7,
        issued_at=NOW - 60,
        expires_at=NOW + 21_600,
        keys={"k7": public_key("token")},
        apps={},
        apis={AUDIENCE: ROUTES},
    )
    return usual._replace(**changes)


def signed(trust_bundle: TrustBundle, *, by: str = "root") -> str:
    """The bundle as a JWS."""
    return sign_trust_bundle(trust_bundle, sign=key_management_service(by))


def token(**changes: Any) -> str:
    """A token that the stand accepts, with ``changes`` to the arguments of ``mint_token``."""
    arguments: dict[str, Any] = {
        "signing_key": SigningKey("k7", private_key("token")),
        "issuer": ISSUER,
        "app": APP,
        "audience": (AUDIENCE,),
        "request_key": public_key("request"),
        "key_id": KEY_ID,
        "platform": "ios",
        "app_build": "3.14.1 (2718)",
        "result": RESULT,
        "jti": "dG9rZW4tb25lLXRva2Vu",
        "now": NOW - 10,
        "lifetime": 300,
    }
    return mint_token(**(arguments | changes))


def parts(jws: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a JWS."""
    header, payload, _ = jws.split(".")
    return json.loads(b64url_decode(header)), json.loads(b64url_decode(payload))


def assembled(header: object, claims: object, signature: Callable[[bytes], bytes]) -> str:
    """Any JWS at all: ``signature`` gets the signing input."""
    text = ".".join(b64url_encode(json.dumps(part).encode()) for part in (header, claims))
    return f"{text}.{b64url_encode(signature(text.encode()))}"


@dataclass(frozen=True)
class Call:
    """One call of the API by an app: passes as it is (POST /v1/orders, which asks for a proof)."""

    method: str = "POST"
    path: str = "/v1/orders"
    query: str = ""
    token: str | None = field(default_factory=token)
    proof: str | None = "make"
    signed_url: str | None = None
    signed_method: str | None = None
    signed_token: str | None = None
    signer: str = "request"
    jti: str = "proof-1"
    made_at: float = NOW
    nonce: str | None = None
    content_digest: str | None = None
    stage: str = "prod"
    headers: Mapping[str, list[str]] = field(default_factory=dict)
    origin: str = "https://abcdef123.execute-api.eu-central-1.amazonaws.com"

    def change(self, **changes: Any) -> Call:
        """This call with one thing changed."""
        return replace(self, **changes)

    @property
    def url(self) -> str:
        """The URL as the client calls it."""
        return f"{self.origin}/{self.stage}{self.path}{'?' if self.query else ''}{self.query}"

    def proof_text(self) -> str | None:
        """The proof header's value: made for this call unless the call says otherwise."""
        if self.proof != "make":
            return self.proof
        return make_proof(
            private_key(self.signer),
            method=self.signed_method or self.method,
            url=self.signed_url or self.url,
            token=self.signed_token or self.token or "",
            jti=self.jti,
            now=self.made_at,
            nonce=self.nonce,
            content_digest=self.content_digest,
        )

    def event(self) -> dict[str, Any]:
        """The REST REQUEST authorizer event of this call."""
        values = {
            "Accept": ["*/*"],
            "Host": ["abcdef123.execute-api.eu-central-1.amazonaws.com"],
            "User-Agent": ["Orders/2718"],
            "X-Forwarded-Proto": ["https"],
        }
        if self.token is not None:
            values["OAuth-Client-Attestation"] = [self.token]
        proof = self.proof_text()
        if proof is not None:
            values["DPoP"] = [proof]
        values |= self.headers
        parameters = parse_qs(self.query, keep_blank_values=True)
        return {
            "type": "REQUEST",
            "methodArn": self.arn(),
            "resource": "/{proxy+}",
            "path": self.path,
            "httpMethod": self.method,
            "headers": {name: listed[-1] for name, listed in values.items() if listed},
            "multiValueHeaders": values,
            "queryStringParameters": {name: listed[-1] for name, listed in parameters.items()},
            "multiValueQueryStringParameters": parameters,
            "pathParameters": {},
            "stageVariables": {},
            "requestContext": {
                "resourceId": "123456",
                "apiId": "abcdef123",
                "resourcePath": "/{proxy+}",
                "httpMethod": self.method,
                "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
                "accountId": "123456789012",
                "stage": self.stage,
                "domainName": "abcdef123.execute-api.eu-central-1.amazonaws.com",
                "path": f"/{self.stage}{self.path}",
                "identity": {"sourceIp": "192.0.2.1"},
            },
        }

    def token_event(self) -> dict[str, Any]:
        """The REST TOKEN authorizer event of this call."""
        return {"type": "TOKEN", "authorizationToken": self.token or "", "methodArn": self.arn()}

    def arn(self) -> str:
        """The method ARN."""
        return f"arn:aws:execute-api:eu-central-1:123456789012:abcdef123/{self.stage}/{self.method}{self.path}"


class Stand:
    """An authorizer whose bundle server is a variable. ``served`` is the bundle's JWS, or an exception to raise."""

    def __init__(
        self, trust_bundle: TrustBundle | None = None, *, spent: SpentProofs | None = None, **settings: Any
    ) -> None:
        self.now = NOW
        self.served: str | Exception = signed(trust_bundle or bundle())
        self.fetches = 0
        usual = GateSettings(
            trust_bundle_url="https://verifier.example.com/v1/trust-bundle",
            root_keys=(public_key("root"),),
            token_issuer=ISSUER,
            audience=AUDIENCE,
            list_accepted=True,  # so that a test sees what was decided; off in the product
        )
        self.settings = usual._replace(**settings)
        self.notes: list[tuple[object, str]] = []
        keeper = BundleKeeper(
            fetches=[("verifier", self._fetch)],
            open_bundle=partial(
                open_trust_bundle, root_keys=self.settings.root_keys, issuer=self.settings.token_issuer
            ),
            skew=self.settings.clock_skew,
            clock=lambda: self.now,
            note=lambda reason, detail: self.notes.append((reason, detail)),
        )
        self.warnings: list[str] = []
        table = self.settings.proof_nonces_table
        spends = spent or (SpentProofs(table) if table else None)
        self.gate = Gate(self.settings, keeper, spent=spends, warn=self.warnings.append, elapsed=monotonic)
        self.authorizer = Authorizer(self.settings, self.gate)

    def _fetch(self, _etag: str | None, _timeout: float) -> BundleAnswer:
        self.fetches += 1
        if isinstance(self.served, Exception):
            raise self.served
        return BundleAnswer(self.served, None)

    def serve(self, trust_bundle: TrustBundle, *, by: str = "root") -> None:
        """Publish another bundle. It is noticed when the one at hand is old enough."""
        self.served = signed(trust_bundle, by=by)

    def answer(self, event: object) -> dict[str, Any]:
        """What the authorizer answers now."""
        return self.authorizer.answer(event, invocation_id="11111111-aaaa-bbbb-cccc-000000000001", now=self.now)

    def call(self, call: Call) -> dict[str, Any]:
        """The answer to a call."""
        return self.answer(call.event())


def blocked(*keys: str) -> dict[str, AppStatus]:
    """``apps`` of a bundle in which these keys of the app are blocked."""
    return {APP: AppStatus(blocked_keys=frozenset(keys))}


def effect(answer: Mapping[str, Any]) -> str:
    """``Allow`` or ``Deny``, of a policy or of a simple response."""
    if "isAuthorized" in answer:
        return "Allow" if answer["isAuthorized"] is True else "Deny"
    return str(answer["policyDocument"]["Statement"][0]["Effect"])
