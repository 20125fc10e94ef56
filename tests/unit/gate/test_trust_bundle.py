"""The trust bundle: signed by the root key, ours, valid; one change, one refusal."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from bonafide_tokens.errors import Reason, Rejected
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signing import es256_from_der, es256_sign, jwks, sign_trust_bundle
from bonafide_tokens.trust_bundle import AppStatus, TrustBundle, open_trust_bundle

from tests.unit.gate.stand import (
    ISSUER,
    KEY_ID,
    NOW,
    assembled,
    blocked,
    bundle,
    key_management_service,
    parts,
    private_key,
    public_key,
    signed,
)

HEADER, CLAIMS = parts(signed(bundle()))


def opened(jws: str, **changes: Any) -> TrustBundle:
    arguments: dict[str, Any] = {"root_key": public_key("root"), "issuer": ISSUER, "now": NOW}
    return open_trust_bundle(jws, **(arguments | changes))


def forged(header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None, by: str = "root") -> str:
    return assembled(HEADER | (header or {}), CLAIMS | (claims or {}), lambda text: es256_sign(private_key(by), text))


def test_bundle_round_trips() -> None:
    """What was published is what a relying party reads."""
    ending = AppStatus(0.0, frozenset({"a", "b", "c"}), {"b": int(NOW) + 3_600})
    published = bundle(apps=blocked(KEY_ID) | {"other": AppStatus(NOW - 5), "third": ending})
    seen = opened(signed(published))
    assert (seen.issuer, seen.version, seen.issued_at, seen.expires_at) == (ISSUER, 7, NOW - 60, NOW + 21_600)
    assert seen.apps == published.apps
    assert seen.apis == published.apis
    assert {kid: key.point for kid, key in seen.keys.items()} == {"k7": public_key("token").point}


def test_signer_gets_the_digest_and_returns_der() -> None:
    """KMS Sign with MessageType=DIGEST: a bundle outgrows what KMS hashes itself."""
    digests: list[bytes] = []

    def sign(digest: bytes) -> bytes:
        digests.append(digest)
        return key_management_service("root")(digest)

    jws = sign_trust_bundle(bundle(), sign=sign)
    assert digests == [sha256(jws.rsplit(".", 1)[0].encode()).digest()]
    assert opened(jws).version == 7


@pytest.mark.parametrize(
    ("name", "jws"),
    [
        ("by another root", lambda: signed(bundle(), by="thief")),
        ("by a token key", lambda: signed(bundle(), by="token")),
        ("alg none", lambda: assembled(HEADER | {"alg": "none"}, CLAIMS, lambda _: b"")),
        ("typ of a token", lambda: forged({"typ": "oauth-client-attestation+jwt"})),
        ("typ of a client policy", lambda: forged({"typ": "bonafide-client-policy+jwt"})),
        ("embedded key", lambda: forged({"jwk": public_key("thief").to_jwk()}, by="thief")),
        ("crit", lambda: forged({"crit": ["exp"]})),
        ("another stack's", lambda: forged(claims={"iss": "bonafide-dev"})),
        ("expired", lambda: forged(claims={"exp": int(NOW) - 5})),
        ("from the future", lambda: forged(claims={"iat": int(NOW) + 6})),
        ("version as text", lambda: forged(claims={"version": "8"})),
        ("version as true", lambda: forged(claims={"version": True})),
        ("negative version", lambda: forged(claims={"version": -1})),
        ("no exp", lambda: forged(claims={"exp": None})),
        ("no keys", lambda: forged(claims={"jwks": {"keys": []}})),
        ("keys of another shape", lambda: forged(claims={"jwks": []})),
        ("one kid twice", lambda: forged(claims={"jwks": {"keys": CLAIMS["jwks"]["keys"] * 2}})),
        ("key without kid", lambda: forged(claims={"jwks": {"keys": [public_key("token").to_jwk()]}})),
        ("private key", lambda: forged(claims={"jwks": {"keys": [CLAIMS["jwks"]["keys"][0] | {"d": "AAAA"}]}})),
        ("key off the curve", lambda: forged(claims={"jwks": {"keys": [CLAIMS["jwks"]["keys"][0] | {"x": "A" * 43}]}})),
        ("apps as a list", lambda: forged(claims={"apps": []})),
        ("status as text", lambda: forged(claims={"apps": {"a": "blocked"}})),
        ("not-before as text", lambda: forged(claims={"apps": {"a": {"tokens_not_before": "0"}}})),
        ("not-before infinite", lambda: forged(claims={"apps": {"a": {"tokens_not_before": float("inf")}}})),
        ("blocked keys as text", lambda: forged(claims={"apps": {"a": {"blocked_keys": "abc"}}})),
        ("an end too few", lambda: forged(claims={"apps": {"a": {"blocked_keys": ["b", "c"], "blocked_until": [1]}}})),
        ("an end as text", lambda: forged(claims={"apps": {"a": {"blocked_keys": ["b"], "blocked_until": ["1"]}}})),
        ("an end as true", lambda: forged(claims={"apps": {"a": {"blocked_keys": ["b"], "blocked_until": [True]}}})),
        ("negative end", lambda: forged(claims={"apps": {"a": {"blocked_keys": ["b"], "blocked_until": [-1]}}})),
        ("endless end", lambda: forged(claims={"apps": {"a": {"blocked_keys": ["b"], "blocked_until": [1 << 53]}}})),
        ("ends as a text", lambda: forged(claims={"apps": {"a": {"blocked_keys": ["b"], "blocked_until": "1"}}})),
        ("blocked key as number", lambda: forged(claims={"apps": {"a": {"blocked_keys": [1]}}})),
        ("apis as a list", lambda: forged(claims={"apis": []})),
        ("route of another shape", lambda: forged(claims={"apis": {"a": ["GET / off"]}})),
        ("route pattern that is none", lambda: forged(claims={"apis": {"a": [["GET", "/a*", "off"]]}})),
        ("claims are a list", lambda: assembled(HEADER, [], lambda text: es256_sign(private_key("root"), text))),
        ("no JWS", lambda: "<html>502 Bad Gateway</html>"),
        ("empty", lambda: ""),
        ("a header of ten kilobytes", lambda: forged({"x": "A" * 10_000})),
        ("a megabyte and more", lambda: "A" * 1_000_001),
        ("cut off", lambda: signed(bundle())[:-1]),
        ("non-ASCII", lambda: signed(bundle()) + "é"),
    ],
)
def test_bundle_with_one_thing_wrong_is_refused(name: str, jws: Callable[[], str]) -> None:
    """One face: the caller keeps the last good one, whatever it was."""
    with pytest.raises(Rejected) as refusal:
        opened(jws())
    assert refusal.value.reason is Reason.BUNDLE_INVALID


def test_status_that_says_nothing_blocks_nothing() -> None:
    """Each of its members may be missing."""
    assert opened(forged(claims={"apps": {"a": {}}})).apps["a"] == AppStatus()


def test_nested_bombs_under_the_root_signature_are_refused() -> None:
    """Even the root key's holder cannot crash an authorizer."""
    header = b64url_encode(b'{"alg":"ES256","typ":"bonafide-trust-bundle+jwt"}')
    text = f"{header}.{b64url_encode(b'[' * 200_000)}"
    signature = es256_from_der(key_management_service("root")(sha256(text.encode()).digest()))
    with pytest.raises(Rejected):
        opened(f"{text}.{b64url_encode(signature)}")


def test_twelve_thousand_blocked_keys_fit() -> None:
    """The size limit leaves room for a bad day, also when every block has an end."""
    many = frozenset(b64url_encode(sha256(str(number).encode()).digest()) for number in range(12_000))
    status = AppStatus(blocked_keys=many, blocked_until=dict.fromkeys(many, int(NOW) + 3_600))
    assert opened(signed(bundle(apps={"orders-ios": status}))).apps["orders-ios"] == status


def test_bundle_without_keys_is_never_published() -> None:
    """It would cut off every app."""
    with pytest.raises(ValueError, match="keys"):
        signed(bundle(keys={}))


def test_jwks_shows_public_members_only() -> None:
    """RFC 7517: what relying parties with their own JWT library read."""
    assert jwks({"k7": public_key("token")}) == {
        "keys": [{"kid": "k7", "use": "sig", "alg": "ES256", **public_key("token").to_jwk()}]
    }
    assert set(public_key("token").to_jwk()) == {"kty", "crv", "x", "y"}
