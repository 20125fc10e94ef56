"""Marks of issuing certificates: by them a verifier finds a certificate in the document that policies see.

A mark is made under a key that follows from the epoch's fact key, which verifiers and detectors hold. Verifiers cannot
make the pseudonyms that are in detectors' state.
"""

from __future__ import annotations

import hmac
from typing import Final

from bonafide_tokens.jose import b64url_encode
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_MARK_BYTES: Final = 16
_INFO: Final = b"bonafide marks of issuers"


def issuer_mark(fact_key: bytes, issuer: bytes) -> str:
    """The mark of a certificate in the epoch of ``fact_key``: 128 bits, base64url. ``issuer`` is its digest, as facts
    have it; empty for none."""
    if not issuer:
        return ""
    key = HKDF(algorithm=SHA256(), length=32, salt=None, info=_INFO).derive(fact_key)
    return b64url_encode(hmac.digest(key, issuer, "sha256")[:_MARK_BYTES])
