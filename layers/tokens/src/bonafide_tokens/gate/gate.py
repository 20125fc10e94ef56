"""The gate: whether one request may pass, and why not.

Order: the trust bundle, what the route asks for, what the request presents
(:func:`~bonafide_tokens.presented.verify_presented`), whether its proof is new. Returns a decision for every request;
the answer is for the caller of the gate to write.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from bonafide_tokens.errors import UNCHECKED, VERIFIED, Reason, Rejected, TokenError
from bonafide_tokens.gate import cached_answers
from bonafide_tokens.gate.bundle_keeper import BundleKeeper
from bonafide_tokens.gate.request import GatedRequest
from bonafide_tokens.gate.settings import GateSettings
from bonafide_tokens.origin_secret import came_through_edge
from bonafide_tokens.presented import verify_presented
from bonafide_tokens.proof import ReplayMemory, VerifiedProof
from bonafide_tokens.proof_nonce import make_nonce
from bonafide_tokens.routes import ONCE, PROVEN, Demand, Requirement, demand_for, every_demand, is_ambiguous, strictest
from bonafide_tokens.token import VerifiedToken
from bonafide_tokens.trust_bundle import TrustBundle
from bonafide_tokens.verified_tokens import VerifiedTokens


class SpendsProofs(Protocol):
    """Where proofs are spent that count once anywhere."""

    def spend(self, proof: VerifiedProof) -> None:
        """Raises :class:`Rejected`: ``proof-replayed`` when it was spent before, ``proof-unspent`` when that
        cannot be found out."""


class Decision(NamedTuple):
    """One decision. ``reason`` and ``detail`` say what is wrong, also where a ``monitor`` route lets it pass;
    ``proven`` whether a proof was checked, ``signed`` whether it was a signature of the whole request; ``token`` is
    there when the token itself holds. ``route_pattern`` is the route requirement that covered the request, empty for
    the default; ``content_digest`` the body's digest that the proof signed; ``own_route_only`` forbids an answer for
    more than this route; ``next_nonce`` is for the next proof.
    """

    allowed: bool
    request_class: str
    requirement: Requirement | None
    bundle_version: int
    token: VerifiedToken | None = None
    proven: bool = False
    reason: Reason | None = None
    detail: str = ""
    route_pattern: str = ""
    content_digest: str | None = None
    own_route_only: bool = False
    next_nonce: str = ""
    signed: bool = False


class Gate:
    """Decides requests, one after the other. Remembers tokens and proofs it has seen.

    ``elapsed`` reads a clock that is never set; ``spent`` spends proofs where a route asks for ``proof-once``;
    ``warn(detail)`` is called once per change of the routes about those that cannot be served: because answers are
    cached, or because there is no table to spend proofs in.
    """

    def __init__(
        self,
        settings: GateSettings,
        keeper: BundleKeeper,
        *,
        elapsed: Callable[[], float],
        spent: SpendsProofs | None = None,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self.keeper = keeper
        self._spent = spent
        self._warn = warn
        self._elapsed = elapsed
        self._tokens = VerifiedTokens()
        self._proofs = ReplayMemory()
        self._looked_at: TrustBundle | None = None
        self._unserved = ""
        self._guarded = True
        self._said_that_tokens_end = False

    def prepare(self, now: float) -> None:
        """Have the trust bundle at hand before the first request, and say what its routes and our settings make
        impossible."""
        bundle = self.keeper.current(now)
        if bundle is not None:
            self._look_at_routes(bundle)

    def decide(self, request: GatedRequest, now: float) -> Decision:
        """Decide ``request`` at ``now``. Does not raise for anything that a request can hold."""
        decision = self._decide_by_bundle(request, now)
        settings = self._settings
        if settings.nonce_key and not settings.cache_seconds:  # a cached answer gives what it holds to later requests
            nonce = make_nonce(key=settings.nonce_key, audience=settings.audience, now=now)
            return decision._replace(next_nonce=nonce)
        return decision

    def _decide_by_bundle(self, request: GatedRequest, now: float) -> Decision:
        settings, known = self._settings, self._settings.origin_secret_hashes
        if known and not came_through_edge(request.origin_secrets, known):  # on every route, open ones too
            return Decision(False, UNCHECKED, None, 0, reason=Reason.ORIGIN_SECRET, detail="not through the edge")
        bundle = self.keeper.current(now)
        if bundle is None:
            # What is cached for other routes too would open them, also when there is a bundle again.
            lasting = cached_answers.cannot_be_narrowed(request) if settings.cache_seconds else ""
            allowed, none = settings.allow_when_unavailable and not lasting, "there is no valid trust bundle"
            return Decision(allowed, UNCHECKED, None, 0, reason=Reason.BUNDLE_UNAVAILABLE, detail=none)
        decision = self._decide(request, bundle, now)
        if decision.reason is Reason.TOKEN_KEY_UNKNOWN:  # minted by a key that is newer than our bundle?
            newer = self.keeper.after_unknown_key(now)
            if newer is not None:
                return self._decide(request, newer, now)
        return decision

    def _decide(self, request: GatedRequest, bundle: TrustBundle, now: float) -> Decision:
        settings = self._settings
        demand = self._demand(request, bundle)
        requirement, minimum_tier, pattern, components = demand
        signed = demand.signed
        self._look_at_routes(bundle)
        mixed = bool(settings.cache_seconds and self._unserved)
        verified: list[VerifiedToken] = []
        proof: VerifiedProof | None = None
        reason, detail = None, ""
        request_class = UNCHECKED
        if requirement is not Requirement.OFF:
            try:
                token, shown = verify_presented(
                    request.presented,
                    bundle=bundle,
                    audience=settings.audience,
                    now=now,
                    skew=settings.clock_skew,
                    proof_needed=requirement in PROVEN,
                    signed=components if signed else None,
                    attestation_field=settings.token_header,
                    minimum_tier=minimum_tier,
                    nonce_key=settings.nonce_key,
                    remembered=self._tokens,
                    on_token=verified.append,
                )
                if shown is not None:
                    self._proofs.admit(shown, now=now, elapsed=self._elapsed(), holder=token.key_id)
                    if requirement in ONCE:
                        if self._spent is None:
                            raise Rejected(Reason.PROOF_UNSPENT, f"{requirement} needs PROOF_NONCES_TABLE")
                        self._spent.spend(shown)
                    proof = shown
                if settings.cache_seconds and not cached_answers.needs_each_request(demand):
                    self._check_outlives_the_cache(token, now)
                request_class = VERIFIED
            except TokenError as error:
                reason, detail = error.reason, error.detail
                request_class = reason.refusal.request_class
                if any(map(is_ambiguous, (request.path, *request.other_paths))):
                    detail += "; the path can be resolved in more than one way, so the strictest route counts"
        allowed = reason is None or requirement is Requirement.MONITOR
        if allowed and settings.cache_seconds:
            presented = request.presented.tokens[0] if request_class == VERIFIED else None
            conflict = cached_answers.cannot_be_cached(request, demand, presented, mixed=mixed, guarded=self._guarded)
            if conflict:
                allowed, reason, detail, request_class = False, Reason.PROOF_CACHED, conflict, UNCHECKED
        return Decision(
            allowed,
            request_class,
            requirement,
            bundle.version,
            verified[0] if verified else None,
            proof is not None,
            reason,
            detail,
            pattern,
            # A cached answer is given to requests without a proof: their bodies must not find a digest in it.
            proof.content_digest if proof is not None and not settings.cache_seconds else None,
            mixed,
            signed=signed and proof is not None,
        )

    def _demand(self, request: GatedRequest, bundle: TrustBundle) -> Demand:
        routes, default = bundle.apis.get(self._settings.audience, ()), self._settings.default_requirement
        # HTTP APIs name their routes with the method.
        method, gateway_route = request.presented.method, request.route.rpartition(" ")[2]
        paths = (request.path, *request.other_paths)
        return strictest([demand_for(routes, method, path, default, gateway_route) for path in paths])

    def _look_at_routes(self, bundle: TrustBundle) -> None:
        if bundle is self._looked_at:
            return
        self._looked_at = bundle
        settings = self._settings
        demands = every_demand(bundle.apis.get(settings.audience, ()), settings.default_requirement)
        if settings.cache_seconds:
            why = f"AUTHORIZER_CACHE_SECONDS is {settings.cache_seconds:g}"
            refused = [demand for demand in demands if cached_answers.needs_each_request(demand)]
            self._guarded = cached_answers.guards_anything(demands)
        else:
            why = "proof-once needs PROOF_NONCES_TABLE, which is not set"
            refused = [demand for demand in demands if demand.requirement in ONCE and self._spent is None]
        before, self._unserved = self._unserved, ", ".join(map(cached_answers.named, refused))
        if self._unserved and self._unserved != before:
            self._warn(f"{why}; refused: {self._unserved}")

    def _check_outlives_the_cache(self, token: VerifiedToken, now: float) -> None:
        """An answer that is kept longer than its token lives would let an expired token in."""
        seconds = self._settings.cache_seconds
        if token.expires_at - now >= seconds:
            return
        if token.expires_at - token.issued_at <= seconds and not self._said_that_tokens_end:
            self._said_that_tokens_end = True
            life = token.expires_at - token.issued_at
            self._warn(f"AUTHORIZER_CACHE_SECONDS is {seconds:g} and tokens live {life} s; refused: every token")
        raise Rejected(
            Reason.TOKEN_ENDING,
            f"it lives for {token.expires_at - now:.0f} s, and answers are cached for {seconds:g} s",
        )
