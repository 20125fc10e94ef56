"""ID tokens of CI systems (OpenID Connect): which pipeline it is that asks, in the words of GitHub Actions or GitLab.

An issuer serves all comers: a token of it says no more than that its sender has a repository there. So issuer, audience
and subject are pinned by the app's owner, and whatever further claims the owner chooses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, NamedTuple

from bonafide_tokens.errors import TokenError
from bonafide_tokens.foreign.signed_elsewhere import ForeignKey, read_foreign_token
from bonafide_tokens.jose import b64url_encode

from attestation.claims import Platform
from attestation.errors import Reason, RejectedEvidence

MOST_AGE: Final = 3_600
"""Seconds after which an ID token is too old to be exchanged, whatever it says itself."""
_SKEW: Final = 30.0
_MOST_LIFE: Final = 86_400
_ALGORITHMS: Final = frozenset({"RS256", "ES256"})
_MAX_TEXT: Final = 1_024
_OPEN_END: Final = re.compile(r"[^*\s]*/[^*\s]*[/:]\*|[^*\s]*/\*")
_EXACT: Final = re.compile(r"[^*\s]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class CiIssuer:
    """What an app's owner trusts. ``subject`` is exact, or a prefix that ends in ``/*`` or ``:*`` behind an owner's
    name. ``claims`` are further claims, each with the one text it must have. ``platform`` is what its keys stand for,
    ``seconds`` how long they live."""

    issuer: str
    jwks_uri: str
    audience: str
    subject: str
    claims: Mapping[str, str] = field(default_factory=dict)
    platform: Platform
    seconds: int = 3_600

    def __post_init__(self) -> None:
        """Raises :class:`ValueError` for a subject that does not end at a border: ``repo:acme/shop*`` is the
        attacker's ``acme/shop-copy``, too."""
        if not _EXACT.fullmatch(self.subject) and not _OPEN_END.fullmatch(self.subject):
            raise ValueError("a subject is exact, or ends in /* or :* behind an owner's name, as in repo:acme/shop:*")

    def takes(self, subject: str) -> bool:
        """Whether a token of this subject is one of the owner's."""
        if self.subject.endswith("*"):
            return subject.startswith(self.subject[:-1])
        return subject == self.subject


class IdToken(NamedTuple):
    """A verified ID token: ``name`` is the same for the same token, and says nothing; it is good until ``expires_at``
    (Unix seconds), and once."""

    trusted: CiIssuer
    name: str
    subject: str
    expires_at: int


def verify_id_token(
    text: str,
    *,
    trusted: tuple[CiIssuer, ...],
    keys: Callable[[CiIssuer, str], Mapping[str, ForeignKey]],
    now: float,
) -> IdToken:
    """Verify an ID token for one of the ``trusted`` issuers. ``keys`` has the issuer's keys, fetched again if need be
    for that ``kid``; no other server is ever asked.

    Nothing but the issuer's name is read before the signature holds. Raises :class:`RejectedEvidence`
    (``id-token-…``), and whatever ``keys`` raises.
    """
    try:
        token = read_foreign_token(text, algorithms=_ALGORITHMS)
    except TokenError as error:
        raise _invalid(error.detail) from error
    claims = token.claims
    of_issuer = [each for each in trusted if each.issuer == claims.get("iss")]
    if not of_issuer:
        raise _invalid("of an issuer that this app does not trust")
    # Entries of one issuer may name different key sets: each is asked by itself.
    signed = [each for each in of_issuer if token.signed_by(keys(each, token.header["kid"]))]
    if not signed:
        raise _invalid("not signed by a key of its issuer")
    for_us = [each for each in signed if claims.get("aud") in (each.audience, [each.audience])]
    if not for_us:
        raise RejectedEvidence(Reason.ID_TOKEN_AUDIENCE, "made for another audience")
    subject = _text(claims, "sub")
    found = next((each for each in for_us if each.takes(subject) and _has(claims, each.claims)), None)
    if found is None:
        raise RejectedEvidence(Reason.ID_TOKEN_SUBJECT, "another repository, branch or claim than is trusted")
    issued_at, expires_at = _seconds(claims, "iat"), _seconds(claims, "exp")
    early = max(issued_at, _seconds(claims, "nbf") if "nbf" in claims else 0)
    if expires_at <= now or early - _SKEW > now or now - issued_at > MOST_AGE or expires_at - issued_at > _MOST_LIFE:
        raise RejectedEvidence(Reason.ID_TOKEN_TIME, "it ended, begins later, or is too old")
    named = f"{found.issuer}\n{_text(claims, 'jti')}"
    return IdToken(found, b64url_encode(sha256(named.encode("utf-8")).digest()[:18]), subject, expires_at)


def _has(claims: Mapping[str, object], pinned: Mapping[str, str]) -> bool:
    return all(claims.get(name) == value for name, value in pinned.items())


def _text(claims: Mapping[str, object], name: str) -> str:
    value = claims.get(name)
    if type(value) is not str or not 0 < len(value) <= _MAX_TEXT or not value.isprintable():
        raise _invalid(f"no {name}")
    return value


def _seconds(claims: Mapping[str, object], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise _invalid(f"{name} is no whole number of seconds")
    return value


def _invalid(detail: str) -> RejectedEvidence:
    return RejectedEvidence(Reason.ID_TOKEN_INVALID, detail)
