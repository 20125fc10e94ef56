"""Minting and verifying tokens."""

from __future__ import annotations

from functools import partial

import pytest
from attestation.appraisal.result import AttestationResult, Tier
from bonafide_tokens.errors import Malformed, Reason, Rejected
from bonafide_tokens.presented import PresentedRequest, verify_presented
from bonafide_tokens.signing import SigningKey
from bonafide_tokens.token import verify_token

from tests.unit.gate.forgery import forged
from tests.unit.gate.stand import AUDIENCE, ISSUER, KEY_ID, NOW, RESULT, bundle, parts, private_key, public_key, token

KEYS = {"k7": public_key("token")}


def verified(text: str, **changes: object):  # type: ignore[no-untyped-def]
    arguments: dict[str, object] = {"keys": KEYS, "issuer": ISSUER, "audience": AUDIENCE, "now": NOW}
    return verify_token(text, **(arguments | changes))  # type: ignore[arg-type]


def test_minted_token_says_what_was_put_in() -> None:
    """Every field arrives."""
    seen = verified(token())
    assert (seen.app, seen.key_id, seen.platform, seen.tier) == ("orders-ios", KEY_ID, "ios", "affirming")
    assert (seen.app_build, seen.policy_version, seen.jti) == ("3.14.1 (2718)", 17, "dG9rZW4tb25lLXRva2Vu")
    assert (seen.issued_at, seen.expires_at) == (int(NOW) - 10, int(NOW) + 290)
    assert seen.request_key_thumbprint == public_key("request").thumbprint()


def test_empty_build_is_left_out() -> None:
    """In the token it would be a text that the gate calls malformed: minted, and refused everywhere."""
    assert verified(token(app_build="")).app_build is None


@pytest.mark.parametrize("tier", [Tier.AFFIRMING, Tier.WARNING])
def test_token_with_realistic_content_fits_a_kilobyte(tier: Tier) -> None:
    """Long names for everything that a team chooses, and the appraisal at its wordiest."""
    result = AttestationResult(tier=tier, findings=(), trustworthiness=RESULT.trustworthiness, policy_version=1234)
    text = token(
        signing_key=SigningKey("20261124-k7Qm", private_key("token")),
        issuer="bonafide-production",
        app="com.example.shop",
        audience=("https://api.shop.example.com",),
        app_build="2718281",
        jti="A" * 22,
        result=result,
    )
    assert len(text) <= 1024


def test_ear_claims_carry_the_appraisal() -> None:
    """draft-ietf-rats-ear-03, under the label "app"; affirming entries that go without saying stay out."""
    _, claims = parts(token())
    assert claims["eat_profile"] == "tag:ietf.org,2026:rats/ear#03"
    assert set(claims["ear_verifier_id"]) == {"developer", "build"}
    assert claims["submods"] == {
        "app": {
            "ear_status": "affirming",
            "ear_trustworthiness_vector": {"executables": 3, "hardware": 2},
        }
    }


def test_entries_that_do_not_affirm_are_always_in_the_vector() -> None:
    """Size never hides bad news."""
    vector = {"instance-identity": 97, "configuration": 36, "storage-opaque": 96, "hardware": 2}
    result = AttestationResult(tier=Tier.WARNING, findings=(), trustworthiness=vector, policy_version=1)
    _, claims = parts(token(result=result))
    assert claims["submods"]["app"] == {"ear_status": "warning", "ear_trustworthiness_vector": vector}


@pytest.mark.parametrize("tier", [Tier.CONTRAINDICATED, Tier.NONE])
def test_no_token_is_minted_for_a_result_that_was_not_accepted(tier: Tier) -> None:
    """No code path may mint by accident."""
    result = AttestationResult(tier=tier, findings=(), trustworthiness={}, policy_version=1)
    with pytest.raises(ValueError, match="accepted"):
        token(result=result)


def test_no_token_is_minted_without_an_audience() -> None:
    """A token without an audience would be good for any API."""
    with pytest.raises(ValueError, match="audience"):
        token(audience=())


def test_one_audience_is_a_text_and_several_are_a_list() -> None:
    """RFC 7519 §4.1.3; a list of one would be longer, and some libraries compare the member as it is."""
    assert parts(token(audience=("https://a.example",)))[1]["aud"] == "https://a.example"
    both = ("https://a.example", "https://b.example")
    assert parts(token(audience=both))[1]["aud"] == list(both)


def test_token_for_several_audiences_serves_each_of_them() -> None:
    """RFC 7519 §4.1.3: a list when there are several."""
    text = token(audience=("https://a.example", "https://b.example"))
    assert verified(text, audience="https://b.example").app == "orders-ios"
    with pytest.raises(Rejected) as refusal:
        verified(text, audience="https://a.exampl")
    assert refusal.value.reason is Reason.TOKEN_AUDIENCE


@pytest.mark.parametrize("build", ["1\r\nX-Admin: 1", "\ud800", "x" * 256, "\u202e1.0", "\0"])
def test_app_build_is_made_safe_for_headers_and_logs(build: str) -> None:
    """It is the app's own word, and backends copy it."""
    seen = verified(token(app_build=build)).app_build
    assert seen is not None
    assert seen.isprintable()
    assert len(seen) == min(64, len(build))


def test_token_without_a_build_has_none() -> None:
    """Absent stays absent."""
    assert verified(token(app_build=None)).app_build is None


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (NOW + 294.9, None),
        (NOW + 295, Reason.TOKEN_EXPIRED),
        (NOW - 15, None),
        (NOW - 15.1, Reason.TOKEN_FROM_FUTURE),
    ],
)
def test_clock_skew_counts_on_both_ends_and_no_further(now: float, reason: Reason | None) -> None:
    """Five seconds either way by default."""
    if reason is None:
        verified(token(), now=now)
        return
    with pytest.raises(Rejected, match=r"issued 5 s ahead of our clock|expired 5 s ago") as refusal:
        verified(token(), now=now)
    assert refusal.value.reason is reason


@pytest.mark.parametrize(("late", "holds"), [(4.9, True), (5.0, False)])
def test_relying_party_that_names_no_skew_gets_five_seconds(late: float, holds: bool) -> None:
    """As for everything else that has a clock."""
    request = PresentedRequest("GET", "https://api.example.com/", [token()], [], [])
    check = partial(verify_presented, request, bundle=bundle(), audience=AUDIENCE, proof_needed=False)
    if holds:
        assert check(now=NOW + 290 + late).token.key_id == KEY_ID
        return
    with pytest.raises(Rejected, match="expired"):
        check(now=NOW + 290 + late)


@pytest.mark.parametrize("claim", ["sub", "platform", "jti"])
def test_text_of_a_token_is_short(claim: str) -> None:
    """512 characters fit in a log line, and no more is read."""
    assert verified(forged(claims={claim: "a" * 512}))
    with pytest.raises(Malformed, match="short"):
        verified(forged(claims={claim: "a" * 513}))


def test_kid_names_the_only_key_that_is_tried() -> None:
    """A token signed by one of our keys under the name of another is refused."""
    keys = {"k7": public_key("token"), "k8": public_key("other")}
    by_other = token(signing_key=SigningKey("k7", private_key("other")))
    with pytest.raises(Rejected) as refusal:
        verified(by_other, keys=keys)
    assert refusal.value.reason is Reason.TOKEN_SIGNATURE
