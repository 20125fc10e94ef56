"""Claims of minted HUKS evidence, verified."""

from __future__ import annotations

from attestation.claims import Claims, HarmonyClaims
from attestation.evidence import AttestationKind

from devkit.devices.harmony.device import ChainDraft

from .scene import (
    KeyQuestion,
)


def claims_of(draft: ChainDraft, kind: AttestationKind = AttestationKind.ANONYMOUS) -> Claims:
    return KeyQuestion(chain=draft.chain(), kind=kind).ask()


def harmony_of(claims: Claims) -> HarmonyClaims:
    assert claims.harmony is not None
    return claims.harmony
