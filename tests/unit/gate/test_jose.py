"""The JOSE pieces: base64url with one spelling, strict JSON, ES256 with raw signatures, JWK thumbprints."""

from __future__ import annotations

import os

import pytest
from bonafide_tokens.errors import Malformed, Reason, Rejected, TokenError
from bonafide_tokens.jose import (
    JwsKind,
    b64url_decode,
    b64url_encode,
    es256_matches,
    jwk_thumbprint,
    public_key_from_jwk,
    public_key_from_point,
    read_json_object,
    read_jws,
)
from bonafide_tokens.signing import es256_from_der, es256_sign, sign_jws
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.gate.stand import private_key, public_key

KIND = JwsKind(
    "test+jwt",
    max_characters=2000,
    malformed=Reason.TOKEN_MALFORMED,
    algorithm=Reason.TOKEN_ALGORITHM,
    wrong_type=Reason.TOKEN_TYPE,
)
HEADER = {"alg": "ES256", "typ": "test+jwt"}
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@given(st.binary(max_size=100))
def test_base64url_round_trips(data: bytes) -> None:
    """What was written is read back."""
    assert b64url_decode(b64url_encode(data)) == data


@given(st.text(alphabet=st.characters(max_codepoint=0x2FF), max_size=12))
def test_base64url_has_one_spelling_for_each_bytes(text: str) -> None:
    """Whatever is accepted is exactly what we would have written."""
    try:
        data = b64url_decode(text)
    except Malformed:
        return
    assert b64url_encode(data) == text


@pytest.mark.parametrize("text", ["A", "AAAAA", "AA==", "AA=", "=", "AB", "AAB", "A+AA", "A/AA", " AA", "AA\n", "Ａ"])
def test_base64url_that_is_not_strict_is_refused(text: str) -> None:
    """Padding, the other alphabet, white space, unused bits."""
    with pytest.raises(Malformed):
        b64url_decode(text)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b'"x"',
        b"{} {}",
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":\xff}',
        b"\xef\xbb\xbf{}",
        b'{"a":' * 5000,
        b'{"a":' + b"[" * 100_000,
        b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}" * 2,
        b'{"a":' + b"9" * 5000 + b"}",
    ],
    ids=lambda data: repr(data[:20]),
)
def test_json_that_is_not_one_strict_object_is_refused(data: bytes) -> None:
    """Two parsers must never see two things, and nothing may exhaust ours."""
    with pytest.raises(Malformed):
        read_json_object(data)


def test_signature_is_raw_and_of_one_length() -> None:
    """r || s, 64 bytes: DER, and one with a byte more or less, is another signature."""
    signature = es256_sign(private_key("token"), b"message")
    key = public_key("token")
    assert len(signature) == 64
    assert es256_matches(key, b"message", signature)
    assert not es256_matches(key, b"messagf", signature)
    assert not es256_matches(public_key("thief"), b"message", signature)
    for other in (signature[:-1], signature + b"\0", b"\0" * 64, b"\xff" * 64, b"", signature[32:] + signature[:32]):
        assert not es256_matches(key, b"message", other)
    assert not es256_matches(key, b"message", b"\0" * 32 + signature[32:])


@pytest.mark.parametrize("size", [1, 2, 31, 32])
def test_short_integers_of_a_signature_survive_the_way_to_der_and_back(size: int) -> None:
    """One signature in 128 has an integer of fewer than 32 bytes: left out zeros break naive code."""
    r, s = int.from_bytes(b"\x7f" * size), int.from_bytes(b"\x80" + b"\x01" * (size - 1))
    assert es256_from_der(encode_dss_signature(r, s)) == r.to_bytes(32) + s.to_bytes(32)


def test_many_signatures_verify_whatever_their_leading_bytes() -> None:
    """Statistics find the encodings that examples miss."""
    key, private = public_key("token"), private_key("token")
    for number in range(400):
        message = number.to_bytes(4)
        assert es256_matches(key, message, es256_sign(private, message))


@pytest.mark.parametrize("signature", [b"", b"\x30\x00", encode_dss_signature(0, 1), encode_dss_signature(1 << 256, 1)])
def test_der_that_is_no_p256_signature_is_refused(signature: bytes) -> None:
    """What a key service returns is checked too."""
    with pytest.raises(ValueError, match=r".*"):
        es256_from_der(signature)


def test_thumbprint_needs_no_key_and_ignores_further_members() -> None:
    """RFC 7638 §3.2: required members only."""
    key = public_key("request")
    jwk = key.to_jwk() | {"use": "sig", "kid": "1", "alg": "ES256"}
    assert jwk_thumbprint(jwk) == key.thumbprint() == public_key_from_jwk(jwk).thumbprint()


@pytest.mark.parametrize(
    "change",
    [
        {"kty": "OKP"},
        {"crv": "P-384"},
        {"d": "AAAA"},
        {"k": "AAAA"},
        {"x": "AAAA"},
        {"x": 5},
        {"y": "A" * 42 + "="},
        {"y": "A" * 43 + "\n"},
    ],
    ids=str,
)
def test_jwk_that_is_no_public_p256_key_is_refused(change: dict[str, object]) -> None:
    """Private members above all: an app that sends its private key has lost it."""
    jwk = public_key("request").to_jwk() | change
    for reader in (jwk_thumbprint, public_key_from_jwk):
        with pytest.raises(Malformed) as refusal:
            reader(jwk)
        assert refusal.value.reason is Reason.KEY_UNREADABLE


@pytest.mark.parametrize(
    "point", [b"", b"\x04" * 64, b"\x02" + b"\1" * 64, b"\x04" + b"\0" * 64, b"\x04" + ORDER.to_bytes(32) * 2]
)
def test_point_off_the_curve_is_refused(point: bytes) -> None:
    """An invalid-curve point would leak whatever is computed with it."""
    with pytest.raises(Malformed):
        public_key_from_point(point)


def test_compressed_point_is_refused() -> None:
    """It names a point of the curve, but a key has one spelling here."""
    key = public_key("request")
    with pytest.raises(Malformed, match="not an uncompressed"):
        public_key_from_point(bytes([2 + key.y[-1] % 2]) + key.x)


@given(st.integers(0, 10**9), st.binary(min_size=1, max_size=3))
def test_jws_that_was_changed_anywhere_never_verifies(at: int, noise: bytes) -> None:
    """Split, decode, verify: only the exact text holds."""
    text = sign_jws(private_key("token"), HEADER, {"a": 1})
    position = at % len(text)
    changed = text[:position] + noise.decode("latin-1") + text[position + 1 :]
    if changed == text:
        return
    try:
        jws = read_jws(changed, KIND)
    except TokenError:
        return
    assert not jws.signed_by(public_key("token"))


def test_header_that_was_read_cannot_be_changed_by_its_reader() -> None:
    """Headers are remembered: one caller's edit must not become another's header."""
    jws = read_jws(sign_jws(private_key("token"), HEADER, {}), KIND)
    with pytest.raises(TypeError):
        jws.header["alg"] = "none"  # type: ignore[index]


def test_size_limit_comes_before_any_work() -> None:
    """A megabyte costs a length check, whatever it holds."""
    for text in ("A" * 2001, sign_jws(private_key("token"), HEADER, {"a": "a" * 2000})):
        with pytest.raises(Malformed, match="more than 2000 characters"):
            read_jws(text, KIND)


def test_text_of_exactly_the_limit_is_read() -> None:
    """One more is too many."""
    text = sign_jws(private_key("token"), HEADER, {"a": 1})
    for limit, fits in ((len(text), True), (len(text) - 1, False)):
        kind = JwsKind("test+jwt", max_characters=limit, malformed=Reason.TOKEN_MALFORMED,
                       algorithm=Reason.TOKEN_ALGORITHM, wrong_type=Reason.TOKEN_TYPE)  # fmt: skip
        if fits:
            assert read_jws(text, kind).signed_by(public_key("token"))
        else:
            with pytest.raises(Malformed, match="more than"):
                read_jws(text, kind)


def test_key_in_the_header_is_refused_unless_the_kind_has_it() -> None:
    """Also the right key: what is looked at once may be believed once."""
    header = HEADER | {"jwk": public_key("token").to_jwk()}
    with pytest.raises(Rejected, match="brings its own key"):
        read_jws(sign_jws(private_key("token"), header, {}), KIND)


def test_error_tells_reason_and_detail() -> None:
    """As tracebacks and logs of relying parties show it."""
    assert str(Rejected(Reason.TOKEN_TYPE, "typ is not x")) == "token-type: typ is not x"
    assert str(Rejected(Reason.TOKEN_TYPE)) == "token-type"


def test_wrong_algorithm_is_rejected_not_malformed() -> None:
    """It was read, and what it says is not for us."""
    with pytest.raises(Rejected):
        read_jws(sign_jws(private_key("token"), HEADER | {"alg": "none"}, {}), KIND)


def test_random_bytes_give_only_our_errors() -> None:
    """Nothing else may escape, whatever the bytes."""
    for _ in range(300):
        noise = b64url_encode(os.urandom(30))
        for text in (noise, f"{noise}.{noise}.{noise}", f"{b64url_encode(b'{}')}.{noise}.{noise}"):
            with pytest.raises(TokenError):
                read_jws(text, KIND)
