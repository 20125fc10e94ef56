"""The default verdict: a genuine app on a sound device. Each mutation changes one thing in it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from attestation.android.play_integrity import verify_play_integrity
from attestation.claims import PlayClaims
from attestation.evidence import PlayIntegrityToken
from attestation.reference_values import AndroidReferenceValues, PlayIntegrityKeys
from bonafide_tokens.jose import b64url_encode

from devkit.devices.android.play_integrity import ResponseKeys, verdict
from tests.unit.apple_mutations.scene import Drawn

from .scene import CLIENT_DATA_HASH, NOW, PACKAGE, SIGNER

KEYS = ResponseKeys.create(Drawn("response keys"))
OTHER_KEYS = ResponseKeys.create(Drawn("another app's response keys"))
NONCE = b64url_encode(CLIENT_DATA_HASH)


def reference_values(*keys: PlayIntegrityKeys) -> AndroidReferenceValues:
    return AndroidReferenceValues(packages=(PACKAGE,), signing_digests=frozenset({SIGNER}), play_integrity=keys)


def payload(**request: Any) -> dict[str, Any]:
    """The verdict as Google writes it, with members of ``requestDetails`` changed; ``None`` leaves one out."""
    members = verdict(package=PACKAGE, signer=SIGNER, now=NOW, nonce=NONCE)
    members["requestDetails"] |= request
    members["requestDetails"] = {k: v for k, v in members["requestDetails"].items() if v is not None}
    return members


def with_part(part: str, **changes: Any) -> dict[str, Any]:
    """The verdict with members of one part changed; ``None`` leaves one out."""
    members = copy.deepcopy(payload())
    members.setdefault(part, {}).update(changes)
    members[part] = {k: v for k, v in members[part].items() if v is not None}
    return members


def ask(token: str, *, keys: tuple[PlayIntegrityKeys, ...] = (KEYS.ours,), now: float = NOW) -> PlayClaims:
    return verify_play_integrity(
        PlayIntegrityToken(token),
        client_data_hash=CLIENT_DATA_HASH,
        reference_values=reference_values(*keys),
        now=now,
    )


def judged(members: Mapping[str, object], **changes: Any) -> PlayClaims:
    return ask(KEYS.classic_token(members), **changes)
