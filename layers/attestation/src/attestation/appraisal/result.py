"""Attestation results: what appraisal says about verified claims (RFC 9334 §8.4, AR4SI tiers)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Tier(StrEnum):
    """AR4SI trust tiers (draft-ietf-rats-ar4si §2.3.3), as the EAR profile spells them."""

    NONE = "none"
    AFFIRMING = "affirming"
    WARNING = "warning"
    CONTRAINDICATED = "contraindicated"


@dataclass(frozen=True, slots=True)
class Finding:
    """One policy rule that took part in a decision.

    ``rule`` is its stable id; ``tier`` what it pulls the result down to; ``advice`` what the app may be told to do
    (``update-app``, ``update-os`` …) and the only part that a client ever sees; ``enforced`` is false for rules
    that are only observed. ``block_seconds`` says for how long the rule wants the key refused at the gate as well.
    """

    rule: str
    tier: Tier
    advice: str | None = None
    enforced: bool = True
    block_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationResult:
    """The verdict on one attester: tier, the findings behind it, and the AR4SI trustworthiness vector.

    ``trustworthiness`` maps AR4SI claim names to their values (2..31 affirming, 32..95 warning, 96..127
    contraindicated); ``policy_version`` says which policy decided.
    """

    tier: Tier
    findings: tuple[Finding, ...]
    trustworthiness: Mapping[str, int]
    policy_version: int

    @property
    def accepted(self) -> bool:
        """Whether a token may be minted: everything but ``contraindicated`` and ``none``."""
        return self.tier in (Tier.AFFIRMING, Tier.WARNING)

    @property
    def advice(self) -> tuple[str, ...]:
        """What the client may be told, each once, in the order of the findings."""
        return tuple(dict.fromkeys(f.advice for f in self.findings if f.advice and f.enforced))
