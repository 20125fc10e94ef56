"""Which kind of key a certificate holds: described by its algorithm alone, whatever can be done with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attestation.encoding.certificate import p256_point
from attestation.encoding.subject_key import SubjectKey, read_subject_key
from attestation.errors import MalformedEvidence, Reason
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from devkit.devices.authority.certificate_template import spki_of
from devkit.devices.authority.der_writer import NULL, bit_string, integer, object_identifier, sequence

from .minting import LEAF_KEY, key_of

EC = object_identifier("1.2.840.10045.2.1")
RSA = object_identifier("1.2.840.113549.1.1.1")


def _spki(*algorithm: bytes, bits: bytes = bytes(8)) -> bytes:
    return sequence(sequence(*algorithm), bit_string(bits))


def test_p256_key_is_its_point() -> None:
    """The only kind that signs renewals."""
    spki = spki_of(LEAF_KEY)
    assert read_subject_key(spki) == SubjectKey("ec-p256", p256_point(spki))


@pytest.mark.parametrize(
    ("spki", "name"),
    [
        (spki_of(key_of(1, ec.SECP224R1())), "ec-p224"),
        (spki_of(key_of(1, ec.SECP384R1())), "ec-p384"),
        (spki_of(key_of(1, ec.SECP521R1())), "ec-p521"),
        (spki_of(key_of(1, ec.SECP256K1())), "ec-unknown"),
        (_spki(EC, object_identifier("1.2.156.10197.1.301")), "sm2"),
        (_spki(EC, sequence(integer(1))), "unknown"),
        (_spki(EC, NULL), "unknown"),
        (_spki(EC), "unknown"),
        (_spki(object_identifier("1.3.101.110")), "x25519"),
        (_spki(object_identifier("1.3.101.112")), "ed25519"),
        (_spki(object_identifier("2.16.840.1.101.3.4.3.17")), "ml-dsa-44"),
        (_spki(object_identifier("2.16.840.1.101.3.4.3.18")), "ml-dsa-65"),
        (_spki(object_identifier("2.16.840.1.101.3.4.3.19")), "ml-dsa-87"),
        (_spki(object_identifier("1.2.3"), object_identifier("1.2.840.10045.3.1.7")), "unknown"),
    ],
)
def test_other_keys_are_named_and_kept_whole(spki: bytes, name: str) -> None:
    """Explicit parameters of a curve name none."""
    assert read_subject_key(spki) == SubjectKey(name, spki)


@pytest.mark.parametrize("size", [1024, 2048, 3072])
def test_rsa_key_has_a_size(size: int) -> None:
    """Of its modulus, in bits."""
    spki = spki_of(rsa.generate_private_key(65_537, size))
    assert read_subject_key(spki) == SubjectKey(f"rsa-{size}", spki, size)


@pytest.mark.parametrize(("modulus", "size"), [(0, 0), (1, 1), (127, 7), (128, 8), (255, 8), (256, 9)])
def test_rsa_modulus_of_any_size_is_measured(modulus: int, size: int) -> None:
    """Its first octet may be a sign's alone."""
    spki = _spki(RSA, NULL, bits=sequence(integer(modulus), integer(3)))
    assert read_subject_key(spki).rsa_bits == size


def test_p256_point_off_its_curve_is_malformed() -> None:
    """No renewal could ever be verified under it."""
    spki = spki_of(LEAF_KEY)
    with pytest.raises(MalformedEvidence) as refusal:
        read_subject_key(spki[:-1] + bytes([spki[-1] ^ 1]))
    assert refusal.value.reason is Reason.KEY_UNREADABLE


@pytest.mark.parametrize(
    "spki",
    [
        b"",
        sequence(),
        sequence(EC, bit_string(b"")),
        spki_of(key_of(1, ec.SECP384R1())) + b"\x00",
        spki_of(key_of(1, ec.SECP384R1()))[:-1],
    ],
)
def test_structure_of_another_kind_is_malformed(spki: bytes) -> None:
    """Cut off, or something behind it."""
    with pytest.raises(MalformedEvidence):
        read_subject_key(spki)


@pytest.mark.parametrize("change", [lambda spki: spki + b"\x00", lambda spki: spki[:-1]])
def test_p256_key_of_another_length_is_no_encoding(change: Callable[[bytes], bytes]) -> None:
    """Its usual beginning alone makes it no key."""
    with pytest.raises(MalformedEvidence) as refusal:
        read_subject_key(change(spki_of(LEAF_KEY)))
    assert refusal.value.reason is Reason.ENCODING_INVALID
