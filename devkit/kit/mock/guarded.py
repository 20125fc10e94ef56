"""The guarded API of the kit: token and proof are checked as an authorizer checks them, and what fails is judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from bonafide_tokens.errors import Reason, Refusal, TokenError
from bonafide_tokens.presented import PresentedRequest, verify_presented
from bonafide_tokens.signed_body import content_digest
from bonafide_tokens.token import VerifiedToken
from bonafide_tokens.trust_bundle import TrustBundle
from service.edge import problems

from devkit.kit.mock.exchange import Answer, Request, json_answer
from devkit.kit.mock.world import ISSUER, World
from devkit.kit.rules import Rule

AUDIENCE: Final = "kit-api"
TOKEN_HEADER, PROOF_HEADER = "oauth-client-attestation", "dpop"
_RULES: Final = {Reason.TOKEN_EXPIRED: Rule.TOKEN_IN_TIME, Reason.PROOF_TIME: Rule.CLOCK}


@dataclass
class Gate:
    """Checks what ``world`` is presented. Proofs are remembered: none is good twice, at any origin."""

    world: World
    proofs: set[str] = field(default_factory=set)

    def answer(self, request: Request) -> Answer:
        """The answer of a guarded API whose backend echoes the body."""
        token = self.judge(request, audience=AUDIENCE)
        if isinstance(token, Answer):
            return token
        said = {"path": request.path.partition("?")[0], "key_id": token.key_id, "body": request.body.decode("utf-8")}
        nonce = self.world.nonces.get(request.place)
        return json_answer(200, said, **({"DPoP_Nonce": nonce} if nonce else {}))

    def judge(self, request: Request, *, audience: str | None) -> VerifiedToken | Answer:
        """The token of a request whose token and proof hold, or the refusal that the client gets."""
        tokens, proofs = _values(request, TOKEN_HEADER), _values(request, PROOF_HEADER)
        where = f"{request.method} {request.path[:80]}"
        if not tokens or not proofs:
            self.world.find(Rule.PROTECTED, f"{where} was sent without {'proof' if tokens else 'token'}.")
        try:
            presented = verify_presented(
                PresentedRequest(request.method, request.origin + request.path, tokens, proofs),
                bundle=self._bundle(),
                audience=audience,
                now=self.world.now,
            )
        except TokenError as error:
            if tokens and proofs:
                self.world.find(_RULES.get(error.reason, Rule.PROOF_HOLDS), f"{where}: {error}.")
            return refused(error.reason.refusal)
        proof = presented.proof
        if proof is None:
            return refused(Reason.PROOF_MISSING.refusal)
        if proof.jti in self.proofs:
            self.world.find(Rule.PROOF_ONCE, f"{where}: the proof was sent before.")
            return refused(Reason.PROOF_REPLAYED.refusal)
        self.proofs.add(proof.jti)
        if (request.body or audience is None) and proof.content_digest != content_digest(request.body):
            self.world.find(
                Rule.BODY_SIGNED, f"{where}: the proof signs {'another' if proof.content_digest else 'no'} body."
            )
            return refused(Reason.PROOF_BODY.refusal)
        return self._nonce_judged(request, proof.nonce) or presented.token

    def _nonce_judged(self, request: Request, nonce: str | None) -> Answer | None:
        asked = self.world.nonces.get(request.place)
        others = {text for place, text in self.world.nonces.items() if place != request.place}
        if nonce is not None and nonce != asked and nonce in others:
            self.world.find(Rule.NONCE_OF_ORIGIN, f"{request.path[:80]} has the nonce of another origin.")
        if asked is None or nonce == asked:
            return None
        return refused(Reason.PROOF_NONCE.refusal, DPoP_Nonce=asked)

    def _bundle(self) -> TrustBundle:
        key, now = self.world.signing_key, self.world.now
        return TrustBundle(ISSUER, 1, now - 60, now + 600, {key.kid: key.public_key}, {}, {})


def _values(request: Request, name: str) -> tuple[str, ...]:
    return tuple(value for value in request.headers.get(name, ()) if value)


def refused(refusal: Refusal, **headers: str) -> Answer:
    """A 401 as an authorizer's gateway answers it."""
    members = {
        "type": problems.TYPE_BASE + refusal.error,
        "title": refusal.title,
        "status": 401,
        "instance": "kit",
        "retry": refusal.retry,
        "action": refusal.action,
        "support_code": "KIT0GATE",
    }
    return json_answer(401, members, **{"WWW_Authenticate": refusal.www_authenticate, **headers})
