"""Signing: ES256 and compact JWS, tokens, trust bundles, and the proofs of apps.

The other half of ``jose``, ``token``, ``trust_bundle``, ``proof`` and ``pop``, which read and verify. It is for the
stack that issues, and for software that stands in for an app; an authorizer never loads it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from hashlib import sha256
from json import dumps
from typing import Final, NamedTuple, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from bonafide_tokens.jose import EcPublicKey, b64url_encode, public_key_from_point
from bonafide_tokens.new_routes import routes_to_json
from bonafide_tokens.pacing.new_pacing import paced_to_json
from bonafide_tokens.pop import ATTESTATION_POP_TYPE
from bonafide_tokens.proof import CONTENT_DIGEST, DEFAULT_PORTS, PROOF_TYPE, normal_target, token_hash
from bonafide_tokens.token import TOKEN_TYPE
from bonafide_tokens.trust_bundle import TRUST_BUNDLE_TYPE, AppStatus, TrustBundle

EAR_PROFILE: Final = "tag:ietf.org,2026:rats/ear#03"
EAR_VERIFIER: Final = {"developer": "bonafide", "build": "1"}
"""Who appraised, as EAR's ``ear_verifier_id`` asks; ``build`` changes when the meaning of a token does."""

MAX_BUILD_CHARACTERS: Final = 64
_IMPLIED_ENTRIES: Final = frozenset({"configuration", "instance-identity", "storage-opaque"})
_AFFIRMING: Final = range(2, 32)


def public_key_of(private_key: ec.EllipticCurvePrivateKey) -> EcPublicKey:
    """The public half of a P-256 private key. Raises :class:`ValueError` for another curve: our own mistake."""
    if private_key.curve.name != ec.SECP256R1().name:
        raise ValueError("not a P-256 key")
    numbers = private_key.public_key().public_numbers()
    return public_key_from_point(b"\x04" + numbers.x.to_bytes(32) + numbers.y.to_bytes(32))


def es256_sign(private_key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """Sign with ECDSA P-256 and SHA-256. Returns r || s, 64 bytes."""
    return es256_from_der(private_key.sign(message, ec.ECDSA(hashes.SHA256())))


def es256_from_der(signature: bytes) -> bytes:
    """A DER ECDSA signature (as KMS returns it) as r || s. Raises :class:`ValueError` when it is not one of P-256."""
    r, s = decode_dss_signature(signature)
    if not (0 < r < 1 << 256 and 0 < s < 1 << 256):
        raise ValueError("not a P-256 signature")
    return r.to_bytes(32) + s.to_bytes(32)


def jws_signing_input(header: Mapping[str, object], payload: Mapping[str, object]) -> str:
    """The text that is signed: both parts as compact UTF-8 JSON in base64url, joined by a dot (RFC 7515 §5.1)."""
    return f"{b64url_encode(_compact(header))}.{b64url_encode(_compact(payload))}"


def sign_jws(
    private_key: ec.EllipticCurvePrivateKey, header: Mapping[str, object], payload: Mapping[str, object]
) -> str:
    """A compact JWS by ES256. ``header`` must say so itself: ``{"alg": "ES256", …}``."""
    text = jws_signing_input(header, payload)
    return f"{text}.{b64url_encode(es256_sign(private_key, text.encode('ascii')))}"


def _compact(value: Mapping[str, object]) -> bytes:
    return dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


class Appraised(Protocol):
    """What a token says of an appraisal; ``attestation.appraisal.result.AttestationResult`` is one."""

    @property
    def accepted(self) -> bool: ...
    @property
    def tier(self) -> StrEnum: ...
    @property
    def trustworthiness(self) -> Mapping[str, int]: ...
    @property
    def policy_version(self) -> int: ...


class SigningKey(NamedTuple):
    """A token-signing key in memory: its name in the trust bundle and the P-256 private key."""

    kid: str
    private_key: ec.EllipticCurvePrivateKey

    @property
    def public_key(self) -> EcPublicKey:
        """The half that the trust bundle announces."""
        return public_key_of(self.private_key)


def mint_token(
    *,
    signing_key: SigningKey,
    issuer: str,
    app: str,
    audience: tuple[str, ...],
    request_key: EcPublicKey,
    key_id: str,
    platform: str,
    app_build: str | None,
    result: Appraised,
    jti: str,
    now: float,
    lifetime: float,
    environment: str = "",
) -> str:
    """Mint a token for an accepted result, valid for ``lifetime`` seconds from ``now``.

    ``jti`` must be unique; ``app_build`` is the app's own word, so it is cut to 64 characters and anything that
    could not safely stand in a header is replaced; ``environment`` is ``test`` for a key of a test pass. Raises
    :class:`ValueError` when ``result`` is not accepted or there is no audience: no code path may mint by accident.
    """
    if not result.accepted:
        raise ValueError("a token is minted for an accepted result only")
    if not audience:
        raise ValueError("a token needs an audience")
    issued_at = int(now)
    claims: dict[str, object] = {
        "iss": issuer,
        "sub": app,
        "aud": audience[0] if len(audience) == 1 else list(audience),
        "iat": issued_at,
        "exp": issued_at + int(lifetime),
        "jti": jti,
        "cnf": {"jwk": request_key.to_jwk()},
        "platform": platform,
        "key_id": key_id,
        "policy_version": result.policy_version,
        "eat_profile": EAR_PROFILE,
        "ear_verifier_id": EAR_VERIFIER,
        "submods": {
            "app": {"ear_status": result.tier.value, "ear_trustworthiness_vector": _vector(result.trustworthiness)}
        },
    }
    if app_build:  # an empty text would make the token one that verify_token cannot read
        claims["app_build"] = _printable(app_build)
    if environment:
        claims["environment"] = environment
    return sign_jws(signing_key.private_key, {"alg": "ES256", "kid": signing_key.kid, "typ": TOKEN_TYPE}, claims)


def _vector(trustworthiness: Mapping[str, int]) -> dict[str, int]:
    # Left out where affirming, for size: instance-identity is what having a token means, configuration repeats
    # ear_status, storage-opaque repeats hardware. AR4SI reads an absent entry as "no claim made": a token never says
    # more than the appraisal did.
    return {
        name: value
        for name, value in trustworthiness.items()
        if name not in _IMPLIED_ENTRIES or value not in _AFFIRMING
    }


def _printable(text: str) -> str:
    # Relying parties copy it into headers and logs: no line breaks, controls or lone surrogates from an app.
    return "".join(character if character.isprintable() else "?" for character in text[:MAX_BUILD_CHARACTERS])


def sign_trust_bundle(bundle: TrustBundle, *, sign: Callable[[bytes], bytes]) -> str:
    """The bundle as a compact JWS.

    ``sign`` gets the SHA-256 digest of the signing input and returns the root key's DER ECDSA signature: KMS
    ``Sign`` with ``MessageType=DIGEST``, because a bundle outgrows the 4,096 bytes that KMS hashes itself. Raises
    :class:`ValueError` when that is no P-256 signature, or the bundle has no key.
    """
    if not bundle.keys:
        raise ValueError("a trust bundle without keys would cut off every app")
    claims: dict[str, object] = {
        "iss": bundle.issuer,
        "version": bundle.version,
        "iat": int(bundle.issued_at),
        "exp": int(bundle.expires_at),
        "jwks": jwks(bundle.keys),
        "apps": {app: _status_to_json(status) for app, status in bundle.apps.items()},
        "apis": {audience: routes_to_json(routes) for audience, routes in bundle.apis.items()},
        **({"environment": bundle.environment} if bundle.environment else {}),
        **({"region": bundle.region} if bundle.region else {}),
        **({"foreign_keys": dict(bundle.foreign_keys)} if bundle.foreign_keys else {}),
    }
    text = jws_signing_input({"alg": "ES256", "typ": TRUST_BUNDLE_TYPE}, claims)
    return f"{text}.{b64url_encode(es256_from_der(sign(sha256(text.encode('ascii')).digest())))}"


def jwks(keys: Mapping[str, EcPublicKey]) -> dict[str, object]:
    """The keys as a JWK Set (RFC 7517 §5), as the bundle carries it and ``/.well-known/jwks.json`` serves it."""
    return {"keys": [{"kid": kid, "use": "sig", "alg": "ES256", **key.to_jwk()} for kid, key in keys.items()]}


def _status_to_json(status: AppStatus) -> dict[str, object]:
    keys = sorted(status.blocked_keys)
    # Side by side with the keys, 0 for none: a map would name every key twice, and a bundle holds thousands. Older
    # authorizers do not read it, and refuse such a key until it is listed no more.
    ends = {"blocked_until": [status.blocked_until.get(key, 0) for key in keys]} if status.blocked_until else {}
    # Older authorizers do not read this either, and refuse all older tokens at once.
    paced = {"paced": [paced_to_json(each) for each in status.paced]} if status.paced else {}
    return {"tokens_not_before": status.tokens_not_before, "blocked_keys": keys, **ends, **paced}


def make_proof(
    private_key: ec.EllipticCurvePrivateKey,
    *,
    method: str,
    url: str,
    token: str,
    jti: str,
    now: float,
    nonce: str | None = None,
    content_digest: str | None = None,
) -> str:
    """Sign one request, as an app does (RFC 9449 §4.2).

    ``url`` is the URL the app calls; see :func:`proof_target`. ``jti`` must be unique.
    ``content_digest`` binds the body too: what ``bonafide_tokens.signed_body.content_digest`` makes of it.
    """
    claims: dict[str, object] = {
        "jti": jti,
        "htm": method,
        "htu": proof_target(url),
        "iat": int(now),
        "ath": token_hash(token),
    }
    if nonce is not None:
        claims["nonce"] = nonce
    if content_digest is not None:
        claims[CONTENT_DIGEST] = content_digest
    header = {"typ": PROOF_TYPE, "alg": "ES256", "jwk": public_key_of(private_key).to_jwk()}
    return sign_jws(private_key, header, claims)


def proof_target(url: str) -> str:
    """``htu`` for a URL: without query and fragment, normalised by RFC 3986 §6.2.2 and §6.2.3 as docs/wire-contract.md
    says. A URL that no verifier takes stays as it is."""
    normal = normal_target(url)
    if normal is None:
        return re.split("[?#]", url, maxsplit=1)[0]
    scheme, host, port, path = normal
    return f"{scheme}://{host}{'' if port == DEFAULT_PORTS[scheme] else ':' + port}{path}"


def make_attestation_pop(
    private_key: ec.EllipticCurvePrivateKey, *, audience: str, jti: str, now: float, challenge: str | None = None
) -> str:
    """Sign a PoP for ``audience``, as a client does. ``jti`` must be unique."""
    claims: dict[str, object] = {"aud": audience, "jti": jti, "iat": int(now)}
    if challenge is not None:
        claims["challenge"] = challenge
    return sign_jws(private_key, {"typ": ATTESTATION_POP_TYPE, "alg": "ES256"}, claims)
