"""The root's word for the key of a ledger: a small JWS that names it.

An auditor, like a gate, trusts the root key alone; which key signs checkpoints is read from here. It is in no trust
bundle: gates have no use for it, and bundles are what the ledger is about.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from bonafide_tokens.errors import Reason, TokenError
from bonafide_tokens.jose import EcPublicKey, JwsKind, b64url_encode, read_json_object, read_jws
from bonafide_tokens.signing import es256_from_der, jws_signing_input

from service.ledger.notes import NoteKey, NoteRejected, read_key

ENDORSEMENT_TYPE: Final = "bonafide-ledger-key+jwt"
ENDORSEMENT: Final = "endorsement"
"""Where it lies beside the checkpoint."""

_KIND: Final = JwsKind(ENDORSEMENT_TYPE, 4_096, malformed=Reason.ENCODING_INVALID)


class Endorsement(NamedTuple):
    """Whose ledger it is (the issuer of the stack's trust bundles), the ledger's key, and since when (Unix seconds)."""

    issuer: str
    key: NoteKey
    issued_at: int


def sign_endorsement(given: Endorsement, *, sign: Callable[[bytes], bytes]) -> str:
    """The compact JWS. ``sign`` gets a SHA-256 digest and returns the root key's DER ECDSA signature."""
    claims = {"iss": given.issuer, "iat": given.issued_at, "key": str(given.key)}
    text = jws_signing_input({"alg": "ES256", "typ": ENDORSEMENT_TYPE}, claims)
    return f"{text}.{b64url_encode(es256_from_der(sign(sha256(text.encode('ascii')).digest())))}"


def read_endorsement(text: str, roots: Sequence[EcPublicKey]) -> Endorsement:
    """The endorsement, once one of the root keys is known to have signed it. Raises
    :class:`~service.ledger.notes.NoteRejected`."""
    try:
        jws = read_jws(text.strip(), _KIND)
        if not any(jws.signed_by(root) for root in roots):
            raise NoteRejected("the endorsement of the ledger's key is not signed by the root key")
        claims = read_json_object(jws.payload)
    except TokenError:
        raise NoteRejected("the endorsement of the ledger's key cannot be read") from None
    issuer, issued_at, key = (claims.get(name) for name in ("iss", "iat", "key"))
    if not isinstance(issuer, str) or type(issued_at) is not int or not isinstance(key, str):
        raise NoteRejected("the endorsement of the ledger's key lacks a member")
    return Endorsement(issuer, read_key(key), issued_at)
