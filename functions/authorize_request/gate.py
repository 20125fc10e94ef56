"""The gate: whether one request may pass, and why not.

Order: the trust bundle, what the route asks for, the token, its app's and key's standing, the proof. Returns a
decision for every request; what it means for API Gateway is ``gateway_answer``'s business.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from attestation.errors import AttestationError, MalformedEvidence, Reason, RejectedEvidence
from attestation.proof import ReplayMemory, verify_proof
from attestation.route_requirement import Requirement, demand_for
from attestation.token import VerifiedToken, verify_token
from attestation.trust_bundle import TrustBundle
from authorizer_settings import AuthorizerSettings
from bundle_keeper import BundleKeeper
from gateway_event import GatewayRequest
from refusals import REFUSALS, UNAVAILABLE, UNCHECKED, VERIFIED
from verified_tokens import RememberedToken, VerifiedTokens


class Decision(NamedTuple):
    """One decision. ``reason`` and ``detail`` say what is wrong, also where a ``monitor`` route lets it pass;
    ``proven`` whether a proof was checked; ``token`` is there when the token itself holds."""

    allowed: bool
    request_class: str
    requirement: Requirement | None
    bundle_version: int
    token: VerifiedToken | None = None
    proven: bool = False
    reason: Reason | None = None
    detail: str = ""


class Gate:
    """Decides requests, one after the other. Remembers tokens and proofs it has seen."""

    def __init__(self, settings: AuthorizerSettings, keeper: BundleKeeper) -> None:
        self._settings = settings
        self._keeper = keeper
        self._tokens = VerifiedTokens(skew=settings.clock_skew)
        self._proofs = ReplayMemory()

    def prepare(self, now: float) -> None:
        """Have the trust bundle at hand before the first request."""
        self._keeper.current(now)

    def decide(self, request: GatewayRequest, now: float) -> Decision:
        """Decide ``request`` at ``now``. Does not raise for anything that a request can hold."""
        bundle = self._keeper.current(now)
        if bundle is None:
            return Decision(
                allowed=self._settings.allow_when_unavailable,
                request_class=UNCHECKED,
                requirement=None,
                bundle_version=0,
                reason=Reason.BUNDLE_UNAVAILABLE,
                detail="there is no trust bundle in force",
            )
        decision = self._decide(request, bundle, now)
        if decision.reason is Reason.TOKEN_KEY_UNKNOWN:  # minted by a key that is newer than our bundle?
            newer = self._keeper.after_unknown_key(now)
            if newer is not None:
                return self._decide(request, newer, now)
        return decision

    def _decide(self, request: GatewayRequest, bundle: TrustBundle, now: float) -> Decision:
        settings = self._settings
        routes = bundle.apis.get(settings.audience, ())
        requirement = demand_for(routes, request.method, request.path, settings.default_requirement).requirement
        if requirement is Requirement.OFF:
            return Decision(True, UNCHECKED, requirement, bundle.version)
        token: VerifiedToken | None = None
        try:
            remembered, text = self._token(request, bundle, now)
            token = remembered.token
            _check_standing(token, bundle)
            proven = self._check_proof(request, requirement, remembered, text, now)
        except AttestationError as error:
            return Decision(
                allowed=requirement is Requirement.MONITOR,
                request_class=REFUSALS.get(error.reason, UNAVAILABLE).request_class,
                requirement=requirement,
                bundle_version=bundle.version,
                token=token,
                reason=error.reason,
                detail=error.detail,
            )
        return Decision(True, VERIFIED, requirement, bundle.version, token, proven)

    def _token(self, request: GatewayRequest, bundle: TrustBundle, now: float) -> tuple[RememberedToken, str]:
        text = _only(request.tokens, Reason.TOKEN_MISSING, Reason.TOKEN_MALFORMED)
        digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
        remembered = self._tokens.recall(digest, bundle_version=bundle.version, now=now)
        if remembered is not None:
            return remembered, text
        settings = self._settings
        token = verify_token(
            text,
            keys=bundle.keys,
            issuer=settings.token_issuer,
            audience=settings.audience,
            now=now,
            skew=settings.clock_skew,
        )
        return self._tokens.remember(digest, token, bundle_version=bundle.version), text

    def _check_proof(
        self, request: GatewayRequest, requirement: Requirement, remembered: RememberedToken, token: str, now: float
    ) -> bool:
        if request.proofs is None:
            if requirement is Requirement.PROOF:
                raise RejectedEvidence(Reason.PROOF_UNSEEN, "the route needs a REQUEST authorizer, this is a TOKEN one")
            return False
        if not request.proofs and requirement is not Requirement.PROOF:
            return False
        text = _only(request.proofs, Reason.PROOF_MISSING, Reason.PROOF_MALFORMED)
        if not request.url:
            raise RejectedEvidence(Reason.PROOF_REQUEST, "the request's URL is unknown: set EXTERNAL_ORIGIN")
        proof = verify_proof(
            text,
            method=request.method,
            url=request.url,
            token=token,
            request_key_thumbprint=remembered.token.request_key_thumbprint,
            now=now,
            request_key=remembered.request_key,
        )
        remembered.request_key = proof.request_key
        self._proofs.admit(proof, now=now)
        return True


def _only(values: list[str], missing: Reason, malformed: Reason) -> str:
    """The one value of a header (RFC 9449 §4.3 check 1). Two are refused: which one would the backend believe?"""
    if not values or values == [""]:
        raise RejectedEvidence(missing, "the header is not there")
    if len(values) > 1 or type(values[0]) is not str or "," in values[0]:
        raise MalformedEvidence(malformed, "the header is there more than once")
    return values[0]


def _check_standing(token: VerifiedToken, bundle: TrustBundle) -> None:
    standing = bundle.apps.get(token.app)
    if standing is None:
        return
    if token.key_id in standing.blocked_keys:
        raise RejectedEvidence(Reason.KEY_BLOCKED, "the attested key is blocked")
    if token.issued_at < standing.tokens_not_before:
        raise RejectedEvidence(Reason.TOKEN_SUPERSEDED, "issued before the app's not-before")
