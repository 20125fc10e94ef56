"""The attestation token: the signed, short-lived result that an app carries to relying parties.

A JWT of type ``oauth-client-attestation+jwt`` (draft-ietf-oauth-attestation-based-client-auth), signed ES256 by one
of the stack's token keys. ``sub`` is the app, ``cnf.jwk`` the request key that must sign proofs (RFC 7800), and the
appraisal rides along as EAR (draft-ietf-rats-ear-03: ``eat_profile``, ``ear_verifier_id``, ``submods``).
It holds no evidence and no claims of the device, and stays within 1,024 characters: a short ``kid`` and issuer help.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final, NamedTuple

from bonafide_tokens import jose
from bonafide_tokens.errors import Malformed, Reason, Rejected, TokenError
from bonafide_tokens.jose import EcPublicKey

TOKEN_TYPE: Final = "oauth-client-attestation+jwt"

MAX_TOKEN_CHARACTERS: Final = 4096
"""Longest text that is looked at. A minted token has less than 1,024; an API Gateway takes 10,240 bytes of headers."""

_MAX_TEXT: Final = 512
_object: Final = partial(jose.object_member, reason=Reason.TOKEN_MALFORMED)
_seconds: Final = partial(jose.whole_member, reason=Reason.TOKEN_MALFORMED)
_KIND: Final = jose.JwsKind(
    TOKEN_TYPE, MAX_TOKEN_CHARACTERS, Reason.TOKEN_MALFORMED, Reason.TOKEN_ALGORITHM, wrong_type=Reason.TOKEN_TYPE
)


class VerifiedToken(NamedTuple):
    """What a token says, once its signature, issuer, audience and times hold.

    ``tier`` is the AR4SI tier as EAR spells it; ``issued_at`` and ``expires_at`` are Unix seconds;
    ``request_key_thumbprint`` names the only key whose proofs count (RFC 7638, base64url). Not yet judged here:
    blocked keys and the app's not-before, which change while a token lives. ``environment`` is empty for a device that
    proved itself, ``test`` for a key that enrolled with a test pass: only gates of a test stage take it.
    """

    app: str
    key_id: str
    platform: str
    tier: str
    app_build: str | None
    policy_version: int
    jti: str
    issued_at: int
    expires_at: int
    request_key_thumbprint: str
    environment: str = ""


def verify_token(
    token: str, *, keys: Mapping[str, EcPublicKey], issuer: str, audience: str | None, now: float, skew: float = 5.0
) -> VerifiedToken:
    """Verify a token for one audience; for its issuer itself, who is in no token's audience, with ``None``.

    ``keys`` are the verification keys of the trust bundle by ``kid``; ``skew`` is how many seconds our clock may
    differ from the issuer's. Nothing of the payload is read before the signature holds. Raises
    :class:`Malformed` (``token-malformed``) or :class:`Rejected` (``token-…``).
    """
    jws = jose.read_jws(token, _KIND)
    kid = jws.header.get("kid")
    key = keys.get(kid) if type(kid) is str else None
    if key is None:
        raise Rejected(Reason.TOKEN_KEY_UNKNOWN, "no key of the trust bundle has this kid")
    if not jws.signed_by(key):
        raise Rejected(Reason.TOKEN_SIGNATURE, "the signature is not the key's")
    try:
        claims = jose.read_json_object(jws.payload)
    except Malformed as error:
        raise _malformed(error.detail) from error
    if claims.get("iss") != issuer:
        raise Rejected(Reason.TOKEN_ISSUER, "minted by another issuer")
    if audience is not None and not _names(claims.get("aud"), audience):
        raise Rejected(Reason.TOKEN_AUDIENCE, "minted for another audience")
    issued_at, expires_at = _seconds(claims, "iat"), _seconds(claims, "exp")
    if expires_at + skew <= now:
        raise Rejected(Reason.TOKEN_EXPIRED, f"expired {now - expires_at:.0f} s ago")
    if issued_at - skew > now or ("nbf" in claims and _seconds(claims, "nbf") - skew > now):
        raise Rejected(Reason.TOKEN_FROM_FUTURE, f"issued {issued_at - now:.0f} s ahead of our clock")
    build = _text(claims, "app_build") if "app_build" in claims else None
    version = claims.get("policy_version")
    if type(version) is not int:
        raise _malformed("policy_version is not a number")
    return VerifiedToken(
        app=_text(claims, "sub"),
        key_id=_text(claims, "key_id"),
        platform=_text(claims, "platform"),
        tier=_text(_object(_object(claims, "submods"), "app"), "ear_status"),
        app_build=build,
        policy_version=version,
        jti=_text(claims, "jti"),
        issued_at=issued_at,
        expires_at=expires_at,
        request_key_thumbprint=_request_key_thumbprint(claims),
        environment=_text(claims, "environment") if "environment" in claims else "",
    )


def request_key_of(token: str) -> EcPublicKey:
    """The request key of a token that **was verified**: for proofs that do not bring the key along, as DPoP does.

    Raises :class:`Malformed` (``token-malformed``) when it is no point of P-256.
    """
    try:
        claims = jose.read_json_object(jose.read_jws(token, _KIND).payload)
        return jose.public_key_from_jwk(_object(_object(claims, "cnf"), "jwk"))
    except TokenError as error:
        raise _malformed("cnf.jwk is not a public P-256 key") from error


def _names(audiences: object, audience: str) -> bool:
    """Whether ``aud`` (a text, or a list of nothing but texts, RFC 7519 §4.1.3) names ``audience``."""
    if type(audiences) is list:
        return audience in audiences and all(type(name) is str for name in audiences)
    return audiences == audience


def _malformed(detail: str) -> Malformed:
    return Malformed(Reason.TOKEN_MALFORMED, detail)


def _text(claims: Mapping[str, object], name: str) -> str:
    value = claims.get(name)
    if type(value) is not str or not 0 < len(value) <= _MAX_TEXT or not value.isprintable():
        raise _malformed(f"{name} is not a short, printable text")
    return value


def _request_key_thumbprint(claims: Mapping[str, object]) -> str:
    try:
        return jose.jwk_thumbprint(_object(_object(claims, "cnf"), "jwk"))
    except TokenError as error:
        raise _malformed("cnf.jwk is not a public P-256 key") from error
