"""The client policy, signed: what an app enforces by itself, fetched over the air from an untrusted server.

A compact JWS by a root key of the stack, ``typ`` ``bonafide-client-policy+jwt``, ES256. Its claims, all required:
``iss``, ``app``, ``version``, ``iat``, ``document``; others are ignored (docs/wire-contract.md). What the document may
say is ``service``'s business (docs/client-policy.md); here it is any JSON object.

It has no ``exp``: an app that cannot reach us goes on under the last policy it has, or stops working, as that policy
itself says (its stale mode). The version protects against old documents: an app never goes back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from json import dumps
from typing import Final, NamedTuple

from bonafide_tokens.errors import Reason as TokenReason
from bonafide_tokens.errors import TokenError
from bonafide_tokens.jose import EcPublicKey, JwsKind, b64url_encode, read_json_object, read_jws
from bonafide_tokens.signing import es256_from_der, jws_signing_input

from attestation.errors import Reason, RejectedEvidence

CLIENT_POLICY_TYPE: Final = "bonafide-client-policy+jwt"
MAX_CLIENT_POLICY_CHARACTERS: Final = 64 * 1024
"""Longest JWS, in characters (all ASCII)."""
MAX_CLIENT_POLICY_DOCUMENT_BYTES: Final = 48_000
"""Longest document, as compact JSON in UTF-8, that always fits into such a JWS."""
CLOCK_SKEW: Final = 86_400.0
"""How far, in seconds, a policy may seem to come from the future. A whole day: the clock is a phone's, and a user who
set it back must not be cut off from the very document that protects them. Nothing is won with an early ``iat``: only
the root key writes it."""

_KIND: Final = JwsKind(
    CLIENT_POLICY_TYPE,
    max_characters=MAX_CLIENT_POLICY_CHARACTERS,
    malformed=TokenReason.ENCODING_INVALID,  # replaced by client-policy-invalid below
)
_HEADER: Final[Mapping[str, object]] = {"alg": "ES256", "typ": CLIENT_POLICY_TYPE}
_CLAIMS: Final = frozenset({"iss", "app", "version", "iat", "document"})
_ISSUER_CHARACTERS: Final = 256
_APP_CHARACTERS: Final = 64


class SignedClientPolicy(NamedTuple):
    """A client policy and whose it is: ``version`` (1, 2, 3 … per app) of ``app``'s policy at the stack ``issuer``.

    ``issued_at`` is Unix seconds, a whole number once signed.
    """

    issuer: str
    app: str
    version: int
    issued_at: float
    document: Mapping[str, object]


def sign_client_policy(policy: SignedClientPolicy, *, sign: Callable[[bytes], bytes]) -> str:
    """The policy as a compact JWS.

    ``sign`` gets the SHA-256 digest of the signing input and returns the root key's DER ECDSA signature, as for
    trust bundles. Raises :class:`ValueError` for what :func:`open_client_policy` would not take (a version below 1, a
    document of more than :data:`MAX_CLIENT_POLICY_DOCUMENT_BYTES`), and when that is no P-256 signature.
    """
    if not 1 <= policy.version < 1 << 53:
        raise ValueError("a client policy's version starts at 1")
    if len(policy.issuer) > _ISSUER_CHARACTERS or len(policy.app) > _APP_CHARACTERS:
        raise ValueError("an issuer or app with a name that long")
    document = dumps(policy.document, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")
    if len(document) > MAX_CLIENT_POLICY_DOCUMENT_BYTES:
        raise ValueError(f"a client policy of more than {MAX_CLIENT_POLICY_DOCUMENT_BYTES} bytes")
    claims: dict[str, object] = {
        "iss": policy.issuer,
        "app": policy.app,
        "version": policy.version,
        "iat": int(policy.issued_at),
        "document": policy.document,
    }
    text = jws_signing_input(_HEADER, claims)
    return f"{text}.{b64url_encode(es256_from_der(sign(sha256(text.encode('ascii')).digest())))}"


def open_client_policy(
    jws: str, *, root_keys: Sequence[EcPublicKey], issuer: str, app: str, newest_seen: int, now: float
) -> SignedClientPolicy:
    """Open a client policy: by a root key of ``issuer``, for ``app``, and not older than what was seen before.

    ``newest_seen`` is the highest version that this app instance ever opened, 0 for none: the same version may come
    again. ``now`` is Unix seconds; see :data:`CLOCK_SKEW`. Raises :class:`RejectedEvidence` with
    ``client-policy-rollback`` for an older version that is genuine otherwise, with ``client-policy-invalid`` for
    everything else.
    """
    try:
        parsed = read_jws(jws, _KIND)
        if dict(parsed.header) != _HEADER:
            raise _invalid("a header with other members than alg and typ")
        if not any(parsed.signed_by(key) for key in root_keys):
            raise _invalid("not signed by a root key")
        claims = read_json_object(parsed.payload)
    except TokenError as error:
        raise _invalid(error.detail) from error
    if not claims.keys() >= _CLAIMS:
        raise _invalid("a claim of a client policy is missing")
    if claims["iss"] != issuer:
        raise _invalid("another stack's client policy")
    if claims["app"] != app:
        raise _invalid("another app's client policy")
    document = claims["document"]
    if type(document) is not dict:
        raise _invalid("document is not an object")
    policy = SignedClientPolicy(issuer, app, _whole(claims, "version"), _whole(claims, "iat"), document)
    if policy.issued_at - CLOCK_SKEW > now:
        raise _invalid(f"issued {policy.issued_at - now:.0f} s ahead of our clock")
    if policy.version < max(newest_seen, 1):
        raise RejectedEvidence(
            Reason.CLIENT_POLICY_ROLLBACK, f"version {policy.version}, while {newest_seen} was seen already"
        )
    return policy


def _invalid(detail: str) -> RejectedEvidence:
    return RejectedEvidence(Reason.CLIENT_POLICY_INVALID, detail)


def _whole(claims: Mapping[str, object], name: str) -> int:
    value = claims[name]
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise _invalid(f"{name} is not a whole number")
    return value
