"""Proofs: the comparison of URLs, and the replay memory. The checks one by one are in the attack table."""

from __future__ import annotations

import pytest
from bonafide_tokens.errors import Reason, TokenError
from bonafide_tokens.proof import ReplayMemory, VerifiedProof, same_target, verify_proof
from bonafide_tokens.signing import make_proof

from tests.unit.gate.conftest import Lines
from tests.unit.gate.forgery import TOKEN, forged_proof
from tests.unit.gate.stand import NOW, Call, Stand, effect, private_key, public_key

URL = "https://api.example.com/v1/orders"


@pytest.mark.parametrize(
    "other",
    [
        URL,
        "HTTPS://API.Example.COM/v1/orders",
        "https://api.example.com:443/v1/orders",
        "https://api.example.com:/v1/orders",
        "https://api.example.com:0443/v1/orders",
        URL + "?page=2",
        URL + "#top",
        URL + "?a#b",
        "https://api.example.com/v1/%6Frders",
        "https://api.example.com/v1/%6frders",
        "https://api.example.com/v1/./orders",
        "https://api.example.com/x/../v1/orders",
        "https://api.example.com/%2e%2E/v1/orders",
        "https://api.example.com/../../v1/orders",
    ],
)
def test_url_that_differs_in_spelling_only_is_the_same_target(other: str) -> None:
    """RFC 9449 §4.3 check 9 with RFC 3986 §6.2.2 and §6.2.3."""
    assert same_target(URL, other)
    assert same_target(other, URL)


@pytest.mark.parametrize(
    "other",
    [
        "",
        "https://api.example.com/v1/orders/",
        "https://api.example.com/v1/Orders",
        "https://api.example.com/v1//orders",
        "https://api.example.com/v1%2Forders",
        "https://api.example.com/v1%2forders",
        "https://api.example.com/v1/orders%20",
        "https://api.example.com/v1/orders%00",
        "https://api.example.com/v1/%256Frders",
        "https://api.example.com/v1/orders;x=1",
        "https://api.example.com\\v1\\orders",
        "https://api.example.com.evil.example/v1/orders",
        "https://api.example.com@evil.example/v1/orders",
        "https://user@api.example.com/v1/orders",
        "https://api.example.com:8443/v1/orders",
        "https://api.example.com:99999/v1/orders",
        "https://api.example.com%2Fv1/orders",
        "https://xn--api.example.com/v1/orders",
        "https://\uff41pi.example.com/v1/orders",
        "https://api.example.com/v1/\uff4frders",
        "http://api.example.com/v1/orders",
        "ftp://api.example.com/v1/orders",
        "//api.example.com/v1/orders",
        "/v1/orders",
        "https:/v1/orders",
        "https://",
        " " + URL,
        URL + " ",
        URL + "\n",
        URL + "\ud800",
    ],
)
def test_url_that_differs_in_meaning_is_another_target(other: str) -> None:
    """Nothing that a server could route elsewhere counts as the same."""
    assert not same_target(URL, other)
    assert not same_target(other, URL)


def test_url_that_is_none_matches_nothing_not_even_itself() -> None:
    """Two mistakes are no agreement."""
    assert not same_target("", "")
    assert not same_target("/v1", "/v1")


def test_root_of_a_host_needs_no_slash() -> None:
    """RFC 3986 §6.2.3: an empty path is "/"."""
    assert same_target("https://api.example.com", "https://api.example.com/?x")


@pytest.mark.parametrize("path", ["/v1/orders/.", "/v1/orders/x/..", "/v1/orders/%2e"])
def test_dot_segment_at_the_end_leaves_its_slash(path: str) -> None:
    """RFC 3986 §5.2.4: "/a/." is "/a/", which is another target than "/a"."""
    assert same_target(f"https://api.example.com{path}", "https://api.example.com/v1/orders/")
    assert not same_target(f"https://api.example.com{path}", "https://api.example.com/v1/orders")


def test_lone_surrogate_is_in_no_url() -> None:
    """No client can send it: what cannot be sent was not signed, however alike two texts are."""
    assert not same_target(URL + "\ud800", URL + "\ud800")


def test_raw_characters_and_their_escapes_are_the_same() -> None:
    """API Gateway decodes paths for its events; the client signed what it sent."""
    assert same_target("https://a.example/caf%C3%A9/a%20b", "https://a.example/café/a b")


def test_server_nonce_is_returned_for_the_caller_to_compare() -> None:
    """RFC 9449 §8: the issuer of the nonce verifies it."""
    token = "any token"
    for nonce in (None, "server-nonce"):
        proof = make_proof(
            private_key("request"), method="GET", url=URL + "?q=1", token=token, jti="j", now=NOW, nonce=nonce
        )
        seen = verify_proof(
            proof,
            method="GET",
            url=URL,
            token=token,
            request_key_thumbprint=public_key("request").thumbprint(),
            now=NOW,
        )
        assert (seen.nonce, seen.jti, seen.issued_at, seen.expires_at) == (nonce, "j", NOW, NOW + 60)


def test_remembered_request_key_gives_the_same_verdict() -> None:
    """The key that a former proof loaded saves time, never a check."""
    proof = make_proof(private_key("request"), method="GET", url=URL, token="t", jti="j", now=NOW)
    arguments = {"method": "GET", "url": URL, "token": "t", "now": NOW}
    known = public_key("request")
    seen = verify_proof(proof, request_key_thumbprint=known.thumbprint(), request_key=known, **arguments)  # type: ignore[arg-type]
    assert seen.request_key is known
    forged = make_proof(private_key("thief"), method="GET", url=URL, token="t", jti="j", now=NOW)
    with pytest.raises(TokenError) as refusal:
        verify_proof(forged, request_key_thumbprint=known.thumbprint(), request_key=known, **arguments)  # type: ignore[arg-type]
    assert refusal.value.reason is Reason.PROOF_KEY


def proof(jti: str, *, made_at: float = NOW, key: str = "request") -> VerifiedProof:
    return VerifiedProof(jti, made_at, made_at + 60, None, public_key(key), public_key(key).thumbprint())


def replayed(memory: ReplayMemory, again: VerifiedProof, *, now: float) -> bool:
    try:
        memory.admit(again, now=now)
    except TokenError as error:
        return error.reason is Reason.PROOF_REPLAYED
    return False


def test_proof_is_admitted_once() -> None:
    """Until it would be too old to be accepted anyway."""
    memory = ReplayMemory()
    assert not replayed(memory, proof("a"), now=NOW)
    assert replayed(memory, proof("a"), now=NOW)
    assert replayed(memory, proof("a"), now=NOW + 59.9)
    assert not replayed(memory, proof("b"), now=NOW)
    assert not replayed(memory, proof("a", key="other"), now=NOW)


def test_proof_is_remembered_up_to_the_instant_it_expires() -> None:
    """It is accepted at exactly that instant, so it must still be known then, however often it comes."""
    memory = ReplayMemory()
    last = proof("a", made_at=NOW - 60)
    assert last.expires_at == NOW
    assert not replayed(memory, last, now=NOW)
    assert replayed(memory, last, now=NOW)
    assert not replayed(memory, proof("b"), now=NOW)
    assert replayed(memory, last, now=NOW)


def test_proof_of_a_clock_that_is_ahead_is_remembered_longer() -> None:
    """Made a minute ahead, it could be replayed for two."""
    memory = ReplayMemory()
    ahead = proof("a", made_at=NOW + 60)
    assert not replayed(memory, ahead, now=NOW)
    assert replayed(memory, ahead, now=NOW + 119)


def test_memory_forgets_what_is_too_old() -> None:
    """It holds a minute or two of proofs, not a day of them."""
    memory = ReplayMemory()
    for second in range(1000):
        assert not replayed(memory, proof(str(second), made_at=NOW + second), now=NOW + second)
    assert len(memory) <= 61


def test_memory_is_bounded_and_forgets_the_oldest() -> None:
    """A flood by one app must not lock out the others, nor fill the process."""
    memory = ReplayMemory(capacity=100)
    for number in range(1000):
        assert not replayed(memory, proof(str(number)), now=NOW)
    assert len(memory) == 100
    assert replayed(memory, proof("999"), now=NOW)


@pytest.mark.parametrize(("size", "decision"), [(4096, "Allow"), (4097, "Deny")])
def test_proof_is_read_up_to_four_kilobytes(stand: Stand, size: int, decision: str, log_lines: Lines) -> None:
    """A client may add claims of its own; where the room ends is exact."""
    proofs = (forged_proof({"x": "a" * header}, {"x": "a" * body}) for header in range(4) for body in range(2600, 2640))
    text = next(proof for proof in proofs if len(proof) == size)
    assert effect(stand.call(Call(token=TOKEN, proof=text))) == decision
    assert log_lines()[-1].get("detail") == ("more than 4096 characters" if decision == "Deny" else None)
