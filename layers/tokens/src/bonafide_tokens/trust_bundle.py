"""The trust bundle: the one signed document a relying party needs.

It names the token keys, what has been revoked (per app: a not-before and blocked keys), and what each route of each
API asks for. A compact JWS by the stack's root key, ``typ`` ``bonafide-trust-bundle+jwt``, ES256.

Its claims: ``iss``, ``version``, ``iat``, ``exp``, ``jwks`` (RFC 7517 §5), ``apps`` {app: {``tokens_not_before``,
``blocked_keys``, ``blocked_until``, ``paced`` (:mod:`bonafide_tokens.pacing.paced`)}}, ``apis`` {audience: [[method,
path, requirement], …]}, with the minimum tier as a fourth text where a route has one. ``environment``, in bundles of a
test stage alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from bonafide_tokens import jose
from bonafide_tokens.errors import Malformed, Reason, Rejected, TokenError
from bonafide_tokens.jose import EcPublicKey
from bonafide_tokens.routes import RouteRequirement, routes_from_json

if TYPE_CHECKING:
    from bonafide_tokens.pacing.paced import Paced
    from bonafide_tokens.token import VerifiedToken

TRUST_BUNDLE_TYPE: Final = "bonafide-trust-bundle+jwt"
MAX_TRUST_BUNDLE_CHARACTERS: Final = 1_000_000
"""Room for about twelve thousand blocked keys."""

MOST_ROOTS: Final = 4
"""How many root keys count at once, as in an app's root set (docs/wire-contract.md)."""

_object: Final = partial(jose.object_member, reason=Reason.BUNDLE_INVALID)
_whole: Final = partial(jose.whole_member, reason=Reason.BUNDLE_INVALID)
_KIND: Final = jose.JwsKind(TRUST_BUNDLE_TYPE, MAX_TRUST_BUNDLE_CHARACTERS, Reason.BUNDLE_INVALID)


class AppStatus(NamedTuple):
    """What has been revoked of one app: tokens issued before a time (Unix seconds), and attested keys by key_id.

    ``blocked_until`` says of some blocked keys when the block ends. A blocked key is minted no token, so what is left
    of one that ended is a not-before of the key's own: tokens that are older stay refused, new ones are good.
    ``paced`` are publications that let some of the older tokens through for a while.
    """

    tokens_not_before: float = 0.0
    blocked_keys: frozenset[str] = frozenset()
    blocked_until: Mapping[str, int] = MappingProxyType({})

    paced: tuple[Paced, ...] = ()

    def require(self, token: VerifiedToken, *, now: float) -> None:
        """Raises :class:`Rejected` for a token of this app that is taken back at ``now`` (Unix seconds):
        ``key-blocked`` or ``token-superseded``."""
        if token.key_id in self.blocked_keys:
            until = self.blocked_until.get(token.key_id)
            if until is None or token.issued_at < until:
                raise Rejected(Reason.KEY_BLOCKED, "the attested key is blocked")
        moment = self.tokens_not_before
        while token.issued_at < moment:  # every not-before that is later must be one that still lets the token through
            paced = next((each for each in self.paced if each.start == moment), None)
            if paced is None or not paced.lets_through(token, now):
                raise Rejected(Reason.TOKEN_SUPERSEDED, "issued before the app's not-before")
            moment = paced.after


class TrustBundle(NamedTuple):
    """An opened trust bundle.

    ``version`` grows by one with every change and never goes back; ``issued_at`` and ``expires_at`` are Unix
    seconds; ``keys`` are the token keys by kid, ``apps`` the status of apps that have any revocation, ``apis``
    the routes of each audience, first match wins. ``environment`` is that of the test tokens which count besides those
    of devices: ``test`` for a stage with test passes, else empty, and then none do.
    ``foreign_keys`` are key sets of other products, by feed, as their owners serve them: not read here. ``region`` is
    the one that published it, in a stack of several: each counts versions of its own.
    """

    issuer: str
    version: int
    issued_at: float
    expires_at: float
    keys: Mapping[str, EcPublicKey]
    apps: Mapping[str, AppStatus]
    apis: Mapping[str, tuple[RouteRequirement, ...]]
    environment: str = ""
    foreign_keys: Mapping[str, object] = MappingProxyType({})
    region: str = ""

    def is_older_than(self, held: TrustBundle) -> bool:
        """Whether taking it after ``held`` would go back: by version, or by time where another region published it."""
        if self.region != held.region:
            return self.issued_at < held.issued_at
        return (self.version, self.issued_at) < (held.version, held.issued_at)


Roots: TypeAlias = Sequence[EcPublicKey]
"""The root keys that count: one, and more while the root changes."""


def root_public_key(text: str) -> EcPublicKey:
    """The stack's root key, from its output ``RootPublicKey``: base64url of the uncompressed point (SEC 1 §2.3.3).

    Raises :class:`~bonafide_tokens.errors.Malformed`.
    """
    return jose.public_key_from_point(jose.b64url_decode(text))


def root_public_keys(text: str) -> tuple[EcPublicKey, ...]:
    """The stack's root keys, separated by commas: one, and up to :data:`MOST_ROOTS` while the root key changes.

    Raises :class:`~bonafide_tokens.errors.Malformed`.
    """
    keys = {key.point: key for key in map(root_public_key, map(str.strip, text.split(",")))}
    if len(keys) > MOST_ROOTS:
        raise Malformed(Reason.ENCODING_INVALID, f"more than {MOST_ROOTS} root keys")
    return tuple(keys.values())


def open_trust_bundle(
    jws: str, *, issuer: str, now: float, skew: float = 5.0, root_keys: Roots = (), root_key: EcPublicKey | None = None
) -> TrustBundle:
    """Open a bundle: ours, by one of the ``root_keys``, and valid at ``now`` give or take ``skew`` seconds.

    ``root_key`` is one more of them, for callers that know one.
    The caller, who knows the last version, checks that it does not go back. Raises
    :class:`Rejected` (``bundle-invalid``) for everything that is wrong with it.
    """
    try:
        parsed = jose.read_jws(jws, _KIND)
        if not any(map(parsed.signed_by, root_keys if root_key is None else (root_key, *root_keys))):
            raise _invalid("not signed by a root key")
        claims = jose.read_json_object(parsed.payload)
        if claims.get("iss") != issuer:
            raise _invalid("another stack's bundle")
        bundle = TrustBundle(
            issuer=issuer,
            version=_whole(claims, "version"),
            issued_at=_whole(claims, "iat"),
            expires_at=_whole(claims, "exp"),
            keys=_keys(_object(claims, "jwks")),
            apps={app: _status(status) for app, status in _object(claims, "apps").items()},
            apis={audience: routes_from_json(routes) for audience, routes in _object(claims, "apis").items()},
            environment=str(claims.get("environment", "")),
            foreign_keys=_object(claims, "foreign_keys") if "foreign_keys" in claims else {},
            region=str(claims.get("region", "")),
        )
    except Rejected:
        raise
    except (TokenError, ValueError) as error:
        raise _invalid(error.detail if isinstance(error, TokenError) else str(error)) from error
    if bundle.issued_at - skew > now:
        raise _invalid(f"issued {bundle.issued_at - now:.0f} s ahead of our clock")
    if bundle.expires_at + skew <= now:
        raise _invalid(f"expired {now - bundle.expires_at:.0f} s ago")
    return bundle


def _invalid(detail: str) -> Rejected:
    return Rejected(Reason.BUNDLE_INVALID, detail)


def _keys(members: Mapping[str, object]) -> dict[str, EcPublicKey]:
    listed = members.get("keys")
    if type(listed) is not list or not listed:
        raise _invalid("no keys")
    keys = {}
    for jwk in listed:
        kid = jwk.get("kid") if type(jwk) is dict else None
        if type(kid) is not str or kid in keys:
            raise _invalid("a key without a kid of its own")
        keys[kid] = jose.public_key_from_jwk(jwk)
    return keys


def _status(status: object) -> AppStatus:
    if type(status) is not dict:
        raise _invalid("an app's status is not an object")
    not_before, blocked = status.get("tokens_not_before", 0), status.get("blocked_keys", [])
    if type(not_before) not in (int, float) or not 0 <= not_before < 1 << 53:
        raise _invalid("tokens_not_before is not a time")
    if type(blocked) is not list or not all(type(key_id) is str for key_id in blocked):
        raise _invalid("blocked_keys is not a list of texts")
    ends = status.get("blocked_until", [])
    timely = type(ends) is list and all(type(end) is int and 0 <= end < 1 << 53 for end in ends)
    if not timely or (ends and len(ends) != len(blocked)):
        raise _invalid("blocked_until is not one time for each blocked key")
    until = {key_id: end for key_id, end in zip(blocked, ends, strict=False) if end}
    paced: tuple[Paced, ...] = ()
    if "paced" in status:
        from bonafide_tokens.pacing.paced import read_paced  # here: few bundles have one

        paced = read_paced(status["paced"])
    return AppStatus(float(not_before), frozenset(blocked), until, paced)
