"""A proxy in memory: keys, a bundle, budgets, an upstream on the loopback, and a call that passes unless changed."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from bonafide_tokens.errors import Reason, Rejected
from bonafide_tokens.proof import VerifiedProof
from bonafide_tokens.signed_body import content_digest
from bonafide_tokens.signing import make_proof
from bonafide_tokens.trust_bundle import TrustBundle
from service.relay.budget_windows import Allowance
from service.relay.budgets import Reservation
from service.relay.credentials import Credential
from service.relay.key_filter import KeyFilter
from service.relay.relay import Relay, RelayAnswer, RelayCall, RelayRecord
from service.relay.upstreams import read_upstreams

from tests.unit.gate.stand import APP, NOW, bundle, private_key, token
from tests.unit.relay.upstream_documents import DOCUMENT

KEY: Final = "sk-live-4f9Q0zT/x+w2_Lm7Kp1R"
CREDENTIAL: Final = Credential(KEY, KeyFilter(KEY))
ORIGIN: Final = "https://proxy.example.com/prod"
BODY: Final = json.dumps({"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "Hello"}]}).encode()


class MemoryBudgets:
    """Budgets that note what was reserved and settled."""

    def __init__(self) -> None:
        self.reserved: list[dict[str, Any]] = []
        self.settled: list[tuple[int, int]] = []
        self.refusal: Exception | None = None

    def reserve(self, *, units: int, per_key: Allowance, per_app: Allowance, **named: Any) -> Reservation:
        """Note it; refuse when told to."""
        if self.refusal is not None:
            raise self.refusal
        assert per_key.requests <= per_app.requests
        self.reserved.append({"units": units, **named})
        return Reservation(("row",), units)

    def settle(self, reservation: Reservation, used: int) -> None:
        """Note it."""
        self.settled.append((reservation.units, used))


class MemorySpentProofs:
    """Proofs by their jti."""

    def __init__(self) -> None:
        self.seen: set[str] = set()

    def spend(self, proof: VerifiedProof) -> None:
        """Once each."""
        if proof.jti in self.seen:
            raise Rejected(Reason.PROOF_REPLAYED, "spent")
        self.seen.add(proof.jti)


@dataclass
class FixedBundle:
    """The bundle of this moment."""

    bundle: TrustBundle = field(default_factory=bundle)

    def current(self, now: float) -> TrustBundle:
        """Always this one."""
        assert now
        return self.bundle


@dataclass
class FixedCredentials:
    """One key for all upstreams, or a failure."""

    failure: Exception | None = None

    def of(self, upstream: str, now: float) -> Credential:
        """The key."""
        assert upstream
        assert now
        if self.failure is not None:
            raise self.failure
        return CREDENTIAL


class RelayStand:
    """A relay, and what it was told and did."""

    def __init__(self, port: int, **members: Any) -> None:
        document = copy.deepcopy(DOCUMENT)
        document["assistant"] |= {"base": f"http://127.0.0.1:{port}", "apps": [APP]} | members
        self.budgets, self.proofs, self.credentials = MemoryBudgets(), MemorySpentProofs(), FixedCredentials()
        self.trusted = FixedBundle()
        self.notes: list[tuple[RelayRecord, Exception | None]] = []
        self.relay = Relay(
            upstreams=read_upstreams(json.dumps(document), loopback=True),
            trust_bundle=self.trusted,
            spent_proofs=self.proofs,
            budgets=self.budgets,
            credentials=self.credentials,
            token_header="OAuth-Client-Attestation",
            proof_header="DPoP",
            note=lambda record, error: self.notes.append((record, error)),
        )
        self.calls = 0

    def call(
        self,
        *,
        upstream: str = "assistant",
        path: str = "/v1/messages",
        method: str = "POST",
        body: bytes = BODY,
        query: list[tuple[str, str]] | None = None,
        headers: Mapping[str, list[str]] | None = None,
        token_text: str | None = None,
        **proof: Any,
    ) -> RelayCall:
        """A call of an app; ``proof`` are other arguments of its proof."""
        self.calls += 1
        url = f"{ORIGIN}/{upstream}{path}"
        presented = token() if token_text is None else token_text
        wanted: dict[str, Any] = {
            "method": method,
            "url": url,
            "token": presented,
            "jti": f"proof-{self.calls}",
            "now": NOW,
            "content_digest": content_digest(body) if body else None,
        } | proof
        shown = {"oauth-client-attestation": [presented], "dpop": [make_proof(private_key("request"), **wanted)]}
        return RelayCall(
            method=method,
            url=url,
            upstream=upstream,
            path=path,
            query=query or [],
            headers={"content-type": ["application/json"], **shown, **(headers or {})},
            body=body,
            request_id="request-1",
        )

    def answer(self, *, seconds: float = 20.0, **named: Any) -> RelayAnswer:
        """The answer to a call."""
        return self.relay.answer(self.call(**named), now=NOW, seconds=seconds)

    def whole(self, **named: Any) -> tuple[int, dict[str, str], bytes]:
        """The whole answer to a call."""
        answer = self.answer(**named)
        return answer.status, answer.headers, b"".join(answer.pieces)


def http(body: bytes = b"{}", *, status: str = "200 OK", headers: str = "", kind: str = "application/json") -> bytes:
    """An upstream's answer, of known length."""
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body
