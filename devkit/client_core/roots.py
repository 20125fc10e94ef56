"""The set of root keys that an app trusts, and how it moves on to the next set.

A set is built in; the stack may sign the one after it by a key of the one before. At least one key of a set is in the
one before it too: a full change takes two steps, and what such a key signed holds on either side of a step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from bonafide_tokens.errors import Malformed, Reason, TokenError
from bonafide_tokens.jose import EcPublicKey, JwsKind, public_key_from_jwk, read_json_object, read_jws, whole_member

ROOT_SET_TYPE: Final = "bonafide-root-set+jwt"
MAX_ROOT_SET_CHARACTERS: Final = 64 * 1024
MOST_ROOTS: Final = 4
MOST_STEPS: Final = 16
"""How many sets are asked for in one go: a server that lies has no more sets to give than these."""

CLOCK_SKEW: Final = 86_400.0
"""Seconds by which a set may seem to come from the future. There is no bound backwards: an app may sleep for years."""

_KIND: Final = JwsKind(ROOT_SET_TYPE, MAX_ROOT_SET_CHARACTERS, Reason.ENCODING_INVALID)
_HEADER: Final[Mapping[str, object]] = {"alg": "ES256", "typ": ROOT_SET_TYPE}


class RootSetRefused(Exception):
    """What came is not the next set. The message is one sentence for the developer."""


class RootSet(NamedTuple):
    """A set of 1 to :data:`MOST_ROOTS` different root keys; ``version`` is 1 for the first."""

    version: int
    roots: tuple[EcPublicKey, ...]

    @property
    def points(self) -> frozenset[bytes]:
        return frozenset(root.point for root in self.roots)


def read_root_set(members: Mapping[str, object]) -> RootSet:
    """``{"version": 1, "roots": [JWK, …]}``: as it is built in, and as a transition names it.

    Members of a JWK beyond the required ones are ignored, except private ones. Raises :class:`RootSetRefused`.
    """
    jwks = members.get("roots")
    if type(jwks) is not list or not 1 <= len(jwks) <= MOST_ROOTS or not all(type(jwk) is dict for jwk in jwks):
        raise RootSetRefused(f"roots are not 1 to {MOST_ROOTS} keys")
    try:
        version = whole_member(members, "version", Reason.ENCODING_INVALID)
        found = RootSet(version, tuple(public_key_from_jwk(jwk) for jwk in jwks))
    except Malformed as error:
        raise RootSetRefused(error.detail) from error
    if version < 1 or len(found.points) != len(jwks):
        raise RootSetRefused("a version below 1, or a root twice")
    return found


def next_root_set(held: RootSet, jws: str, *, issuer: str, now: float) -> RootSet:
    """The set after ``held``, from its signed transition. ``now`` is Unix seconds. Raises :class:`RootSetRefused`."""
    try:
        parsed = read_jws(jws, _KIND)
        if dict(parsed.header) != _HEADER:
            raise RootSetRefused("a header with other members than alg and typ")
        if not any(parsed.signed_by(root) for root in held.roots):
            raise RootSetRefused("signed by no root of the set before it")
        claims = read_json_object(parsed.payload)
        issued_at = whole_member(claims, "iat", Reason.ENCODING_INVALID)
    except TokenError as error:
        raise RootSetRefused(error.detail) from error
    if claims.get("iss") != issuer:
        raise RootSetRefused("another stack's root set")
    if issued_at - CLOCK_SKEW > now:
        raise RootSetRefused("issued too far ahead of our clock")
    offered = read_root_set(claims)
    if offered.version != held.version + 1:
        raise RootSetRefused(f"version {offered.version} after {held.version}")
    if offered.points.isdisjoint(held.points):
        raise RootSetRefused("no root of the set before it is kept")
    return offered


def along_chain(built_in: RootSet, chain: Iterable[str], *, issuer: str, now: float) -> RootSet:
    """The set at the end of a stored ``chain``, verified again from the built-in set on.

    What is no step from the set at hand is passed over: the steps below the set of a newer build of the app, and what
    an attacker wrote into storage.
    """
    held = built_in
    for jws in chain:
        try:
            held = next_root_set(held, jws, issuer=issuer, now=now)
        except RootSetRefused:
            continue
    return held


def follow(held: RootSet, offered: Iterable[str], *, issuer: str, now: float) -> RootSet:
    """The set after one go: ``offered`` are the answers to version after version, which ends at the first that is not
    the next set, and after :data:`MOST_STEPS`."""
    for step, jws in enumerate(offered):
        if step == MOST_STEPS:
            break
        try:
            held = next_root_set(held, jws, issuer=issuer, now=now)
        except RootSetRefused:
            break
    return held
