"""A test pass: a short-lived document by a stage's root key that lets one request key in, without evidence.

A compact JWS, ``typ`` ``bonafide-test-pass+jwt``, ES256. Its claims, and no others: ``iss``, ``stage``, ``app``,
``platform``, ``cnf`` {``jwk``} (RFC 7800: the request key), ``jti``, ``iat``, ``exp``, and ``builds`` [least, most]
where builds are bounded, each a text or null.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from bonafide_tokens.errors import Reason as TokenReason
from bonafide_tokens.errors import TokenError
from bonafide_tokens.jose import (
    EcPublicKey,
    JwsKind,
    b64url_encode,
    object_member,
    public_key_from_jwk,
    read_json_object,
    read_jws,
    whole_member,
)
from bonafide_tokens.signing import es256_from_der, jws_signing_input

from attestation.claims import Platform
from attestation.errors import Reason, RejectedEvidence

DEVELOPMENT_PASS_TYPE: Final = "bonafide-test-pass+jwt"
MAX_PASS_CHARACTERS: Final = 2_048
MOST_SECONDS: Final = 24 * 3_600
"""Longest life of a pass, in seconds."""

_SKEW: Final = 5.0
_KIND: Final = JwsKind(DEVELOPMENT_PASS_TYPE, MAX_PASS_CHARACTERS, malformed=TokenReason.ENCODING_INVALID)
_CLAIMS: Final = frozenset({"iss", "stage", "app", "platform", "cnf", "jti", "iat", "exp"})


class DevelopmentPass(NamedTuple):
    """A pass and what it is bound to. ``issuer`` and ``stage`` are the stack's, times are Unix seconds, builds are
    bounds of the app's build, inclusive; ``None`` is no bound."""

    issuer: str
    stage: str
    app: str
    platform: Platform
    request_key: EcPublicKey
    pass_id: str
    issued_at: int
    expires_at: int
    least_build: str | None = None
    most_build: str | None = None


def sign_development_pass(given: DevelopmentPass, *, sign: Callable[[bytes], bytes]) -> str:
    """The pass as a compact JWS. ``sign`` is the root key's, as for a trust bundle. Raises :class:`ValueError` for one
    that lives longer than :data:`MOST_SECONDS`."""
    if not 0 < given.expires_at - given.issued_at <= MOST_SECONDS:
        raise ValueError("a pass lives a day at most")
    claims: dict[str, object] = {
        "iss": given.issuer,
        "stage": given.stage,
        "app": given.app,
        "platform": given.platform.value,
        "cnf": {"jwk": given.request_key.to_jwk()},
        "jti": given.pass_id,
        "iat": given.issued_at,
        "exp": given.expires_at,
    }
    if given.least_build is not None or given.most_build is not None:
        claims["builds"] = [given.least_build, given.most_build]
    text = jws_signing_input({"alg": "ES256", "typ": DEVELOPMENT_PASS_TYPE}, claims)
    return f"{text}.{b64url_encode(es256_from_der(sign(sha256(text.encode('ascii')).digest())))}"


def open_development_pass(
    text: str, *, root_keys: Sequence[EcPublicKey], issuer: str, stage: str, app: str, now: float
) -> DevelopmentPass:
    """The pass, once it is known to be this stage's, for ``app``, and alive at ``now`` (Unix seconds).

    Raises :class:`RejectedEvidence`: ``test-pass-invalid``, ``test-pass-ended``, ``test-pass-other-use``. Whether it
    was revoked is not said here.
    """
    try:
        jws = read_jws(text, _KIND)
        if not any(map(jws.signed_by, root_keys)):
            raise _invalid("not signed by a root key of this stage")
        claims = read_json_object(jws.payload)
        if not claims.keys() >= _CLAIMS or not claims.keys() <= _CLAIMS | {"builds"}:
            raise _invalid("other members than a pass has")
        if claims["iss"] != issuer or claims["stage"] != stage:
            raise _invalid("minted by another stage")
        key = public_key_from_jwk(object_member(object_member(claims, "cnf", _ENCODING), "jwk", _ENCODING))
        issued_at, expires_at = (whole_member(claims, name, _ENCODING) for name in ("iat", "exp"))
        least, most = _builds(claims.get("builds", [None, None]))
        given = DevelopmentPass(
            issuer, stage, str(claims["app"]), Platform(str(claims["platform"])), key, str(claims["jti"]), issued_at,
            expires_at, least, most,
        )  # fmt: skip
    except (TokenError, ValueError) as error:
        raise _invalid("it cannot be read") from error
    if given.app != app:
        raise RejectedEvidence(Reason.TEST_PASS_OTHER_USE, "a pass for another app")
    if expires_at <= now or issued_at - _SKEW > now or expires_at - issued_at > MOST_SECONDS:
        raise RejectedEvidence(Reason.TEST_PASS_ENDED, f"it ended {now - expires_at:.0f} s ago")
    return given


_ENCODING: Final = TokenReason.ENCODING_INVALID


def _builds(value: object) -> tuple[str | None, str | None]:
    if type(value) is not list or len(value) != 2 or not all(each is None or type(each) is str for each in value):
        raise ValueError("no bounds of builds")
    return value[0], value[1]


def _invalid(detail: str) -> RejectedEvidence:
    return RejectedEvidence(Reason.TEST_PASS_INVALID, detail)
