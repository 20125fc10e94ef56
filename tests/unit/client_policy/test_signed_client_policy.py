"""The signed client policy: by the root key, of this stack and app, never older; one change, one refusal."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from attestation.client_policy import (
    CLIENT_POLICY_TYPE,
    CLOCK_SKEW,
    MAX_CLIENT_POLICY_CHARACTERS,
    MAX_CLIENT_POLICY_DOCUMENT_BYTES,
    SignedClientPolicy,
    open_client_policy,
    sign_client_policy,
)
from attestation.errors import Reason, RejectedEvidence
from bonafide_tokens.jose import b64url_encode
from bonafide_tokens.signing import es256_from_der, es256_sign

from tests.unit.client_policy.signed import CLAIMS, HEADER, forged, policy, signed
from tests.unit.gate.stand import APP, ISSUER, NOW, assembled, key_management_service, private_key, public_key
from tests.unit.gate.stand import bundle as trust_bundle
from tests.unit.gate.stand import signed as signed_bundle


def opened(jws: str, **changes: Any) -> SignedClientPolicy:
    arguments: dict[str, Any] = {
        "root_keys": [public_key("root")],
        "issuer": ISSUER,
        "app": APP,
        "newest_seen": 7,
        "now": NOW,
    }
    return open_client_policy(jws, **(arguments | changes))


def without(claim: str) -> dict[str, Any]:
    return {name: value for name, value in CLAIMS.items() if name != claim}


def spelled(payload: bytes) -> str:
    """Any payload under the root key's true signature."""
    header = b64url_encode(f'{{"alg":"ES256","typ":"{CLIENT_POLICY_TYPE}"}}'.encode())
    text = f"{header}.{b64url_encode(payload)}"
    signature = es256_from_der(key_management_service("root")(sha256(text.encode()).digest()))
    return f"{text}.{b64url_encode(signature)}"


def test_policy_round_trips() -> None:
    """What was published is what a device reads."""
    assert opened(signed()) == policy()
    document = {"format": 1, "kill_switches": {"überweisung": True}}
    assert opened(signed(policy(document=document))).document == document


def test_signer_gets_the_digest_and_returns_der() -> None:
    """KMS Sign with MessageType=DIGEST, as for trust bundles."""
    digests: list[bytes] = []

    def sign(digest: bytes) -> bytes:
        digests.append(digest)
        return key_management_service("root")(digest)

    jws = sign_client_policy(policy(), sign=sign)
    assert digests == [sha256(jws.rsplit(".", 1)[0].encode()).digest()]


def test_claims_of_the_future_are_ignored() -> None:
    """An installed app meets services that are years newer (docs/wire-contract.md)."""
    assert opened(forged(claims={"exp": int(NOW), "region": "eu"})) == policy()


@pytest.mark.parametrize("newest_seen", [0, 6, 7])
def test_policy_not_older_than_seen_is_taken(newest_seen: int) -> None:
    """The same version may come again, a newer one always."""
    assert opened(signed(), newest_seen=newest_seen).version == 7


@pytest.mark.parametrize("ahead", [0.0, CLOCK_SKEW])
def test_phone_with_a_slow_clock_still_takes_a_policy(ahead: float) -> None:
    """A user who sets the clock back a day must not get rid of the policy."""
    assert opened(signed(policy(issued_at=NOW + ahead))).version == 7


@pytest.mark.parametrize(
    "jws",
    [
        pytest.param(lambda: signed(by="thief"), id="by another root"),
        pytest.param(lambda: assembled(HEADER | {"alg": "none"}, CLAIMS, lambda _: b""), id="unsigned"),
        pytest.param(lambda: assembled(HEADER, CLAIMS, lambda _: b""), id="signature stripped"),
        pytest.param(lambda: forged({"alg": "HS256"}), id="HS256"),
        pytest.param(lambda: signed_bundle(trust_bundle()), id="a trust bundle"),
        pytest.param(lambda: forged({"typ": "JWT"}), id="typ JWT"),
        pytest.param(lambda: forged({"kid": "root"}), id="a header member more"),
        pytest.param(lambda: forged({"jwk": public_key("thief").to_jwk()}, by="thief"), id="embedded key"),
        pytest.param(lambda: forged({"crit": ["exp"]}), id="crit"),
        pytest.param(lambda: forged(claims={"iss": "bonafide-dev"}), id="another stack's"),
        pytest.param(lambda: forged(claims={"app": "orders-android"}), id="another app's"),
        pytest.param(lambda: forged(claims={"app": None}), id="no app"),
        pytest.param(lambda: forged(claims={"version": "8"}), id="version as text"),
        pytest.param(lambda: forged(claims={"version": True}), id="version as true"),
        pytest.param(lambda: forged(claims={"version": 8.0}), id="version as fraction"),
        pytest.param(lambda: forged(claims={"version": -8}), id="negative version"),
        pytest.param(lambda: forged(claims={"version": 1 << 53}), id="version beyond exact numbers"),
        pytest.param(lambda: forged(claims={"iat": "now"}), id="iat as text"),
        pytest.param(lambda: forged(claims={"iat": int(NOW + CLOCK_SKEW) + 1}), id="from the future"),
        pytest.param(lambda: forged(claims={"document": []}), id="document as list"),
        pytest.param(lambda: forged(claims={"document": None}), id="no document"),
        pytest.param(
            lambda: assembled(HEADER, without("iat"), lambda t: es256_sign(private_key("root"), t)), id="a claim less"
        ),
        pytest.param(lambda: spelled(b'{"version":9,"version":7}'), id="repeated claim"),
        pytest.param(lambda: spelled(b"[" * 40_000), id="nested bomb"),
        pytest.param(lambda: spelled(b"[]"), id="claims as list"),
        pytest.param(lambda: "A" * (MAX_CLIENT_POLICY_CHARACTERS + 1), id="too long"),
        pytest.param(lambda: "<html>502 Bad Gateway</html>", id="no JWS"),
        pytest.param(lambda: "", id="empty"),
        pytest.param(lambda: signed() + "é", id="non-ASCII"),
        pytest.param(lambda: signed() + ".", id="a segment more"),
    ],
)
def test_policy_with_one_thing_wrong_is_refused(jws: Callable[[], str]) -> None:
    """One face: the device keeps the last good one, whatever it was."""
    with pytest.raises(RejectedEvidence) as refusal:
        opened(jws())
    assert refusal.value.reason is Reason.CLIENT_POLICY_INVALID


def test_older_policy_is_refused_as_a_rollback() -> None:
    """Genuine once, and replayed: it has its own reason, because only an attacker offers it."""
    with pytest.raises(RejectedEvidence) as refusal:
        opened(signed(policy(version=6)))
    assert refusal.value.reason is Reason.CLIENT_POLICY_ROLLBACK


def test_version_nought_is_refused_by_a_device_that_has_seen_none() -> None:
    """0 means that nothing was published: a document that says so is a contradiction."""
    with pytest.raises(RejectedEvidence) as refusal:
        opened(forged(claims={"version": 0}), newest_seen=0)
    assert refusal.value.reason is Reason.CLIENT_POLICY_ROLLBACK


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 0},
        {"version": 1 << 53},
        {"app": "a" * 65},
        {"issuer": "i" * 257},
        {"document": {"pad": "A" * MAX_CLIENT_POLICY_DOCUMENT_BYTES}},
        {"document": {"number": float("nan")}},
        {"document": {"text": "\ud800"}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_policy_that_no_device_would_take_is_never_signed(changes: dict[str, Any]) -> None:
    """A version number is used up by signing; what cannot be opened must not use one up."""
    with pytest.raises(ValueError, match=r".+"):
        signed(policy(**changes))


def test_largest_document_fits() -> None:
    """The limit on documents leaves room for everything around them."""
    room = MAX_CLIENT_POLICY_DOCUMENT_BYTES - len('{"pad":""}')
    largest = policy(app="a" * 64, issuer="i" * 256, version=(1 << 53) - 1, document={"pad": "A" * room})
    jws = signed(largest)
    assert len(jws) <= MAX_CLIENT_POLICY_CHARACTERS == 64 * 1024
    assert opened(jws, app=largest.app, issuer=largest.issuer).document == largest.document
