"""What a software iPhone mints, taken apart by pyca, cbor2 and hashlib: the verifiers play no part here."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.apple.generations import GENERATIONS
from devkit.devices.apple.iphone import CATEGORY_TESTFLIGHT, SoftwareIphone

from .conftest import NOW

PhoneOf = Callable[..., SoftwareIphone]
CLIENT_DATA_HASH = sha256(b"client data").digest()


def _minted(phone: SoftwareIphone) -> tuple[str, dict[str, Any], x509.Certificate]:
    key_id = phone.generate_key()
    attestation = cbor2.loads(phone.attest_key(key_id, CLIENT_DATA_HASH))
    return key_id, attestation, x509.load_der_x509_certificate(attestation["attStmt"]["x5c"][0])


def _extension(certificate: x509.Certificate, oid: str) -> bytes | None:
    for extension in certificate.extensions:
        if extension.oid.dotted_string == oid:
            assert isinstance(extension.value, x509.UnrecognizedExtension)
            return extension.value.value
    return None


@pytest.mark.parametrize("generation", GENERATIONS)
def test_attestation_object_has_apples_members_in_apples_order(phone_of: PhoneOf, generation: str) -> None:
    """fmt, attStmt {x5c, receipt}, authData, in definite-length CBOR within the genuine size."""
    phone = phone_of(generation)
    raw = phone.attest_key(phone.generate_key(), CLIENT_DATA_HASH)
    attestation = cbor2.loads(raw)
    assert list(attestation) == ["fmt", "attStmt", "authData"]
    assert list(attestation["attStmt"]) == ["x5c", "receipt"]
    assert attestation["fmt"] == "apple-appattest"
    assert cbor2.dumps(attestation) == raw
    assert 4_500 < len(raw) < 7_500


@pytest.mark.parametrize("generation", GENERATIONS)
def test_authenticator_data_binds_app_key_and_environment(phone_of: PhoneOf, generation: str) -> None:
    """Every field of authenticator data at its place, and the flags that genuine phones send."""
    phone = phone_of(generation)
    key_id, attestation, certificate = _minted(phone)
    data = attestation["authData"]
    point = phone.keys[key_id].point
    assert data[:32] == sha256(phone.app_id.encode()).digest()
    assert (data[32], data[33:37]) == (0x40, bytes(4))
    assert data[37:53] == b"appattest" + bytes(7)
    assert data[53:55] == b"\x00\x20"
    assert data[55:87] == sha256(point).digest() == base64.b64decode(key_id)
    cose = cbor2.loads(data[87:164])
    assert list(cose.items())[:3] == [(1, 2), (3, -7), (-1, 1)]
    assert b"\x04" + cose[-2] + cose[-3] == point
    public_key = certificate.public_key()
    assert isinstance(public_key, ec.EllipticCurvePublicKey)
    assert public_key.public_numbers() == phone.keys[key_id].private_key.public_key().public_numbers()


@pytest.mark.parametrize("generation", GENERATIONS)
def test_leaf_is_issued_by_the_attestation_ca(phone_of: PhoneOf, generation: str) -> None:
    """SHA-256 under a P-384 key, v3, CA:FALSE, keyUsage F0, and a name that is the key's hash."""
    phone = phone_of(generation)
    key_id, attestation, certificate = _minted(phone)
    issuer = x509.load_der_x509_certificate(attestation["attStmt"]["x5c"][1])
    certificate.verify_directly_issued_by(issuer)
    assert len(attestation["attStmt"]["x5c"]) == 2
    assert isinstance(certificate.signature_hash_algorithm, hashes.SHA256)
    assert [(e.oid.dotted_string, e.critical) for e in list(certificate.extensions)[:2]] == [
        ("2.5.29.19", True),
        ("2.5.29.15", True),
    ]
    common_name = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
    assert common_name == base64.b64decode(key_id).hex()


@pytest.mark.parametrize("generation", GENERATIONS)
def test_nonce_covers_authenticator_data_and_client_data_hash(phone_of: PhoneOf, generation: str) -> None:
    """Extension 8.2 is the 38 bytes 3024 a122 0420 and SHA-256(authData ‖ clientDataHash)."""
    _, attestation, certificate = _minted(phone_of(generation))
    nonce = sha256(attestation["authData"] + CLIENT_DATA_HASH).digest()
    assert _extension(certificate, "1.2.840.113635.100.8.2") == bytes.fromhex("3024a1220420") + nonce


@pytest.mark.parametrize("generation", GENERATIONS)
def test_leaf_is_valid_from_a_day_before_for_the_life_of_its_generation(phone_of: PhoneOf, generation: str) -> None:
    """Apple backdates leaves by a day; three days in most years, months in 2023 and 2024."""
    _, _, certificate = _minted(phone_of(generation))
    attested = datetime.datetime.fromtimestamp(NOW, datetime.UTC)
    assert certificate.not_valid_before_utc == attested - datetime.timedelta(days=1)
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert lifetime == datetime.timedelta(seconds=GENERATIONS[generation].leaf_lifetime)
    assert (lifetime > datetime.timedelta(days=100)) == (generation in ("ios-16", "ios-17", "ios-18"))


def test_ios_14_tells_only_its_version(phone_of: PhoneOf) -> None:
    """Extension 8.7 of iOS 14 holds tag 1400 and nothing else."""
    _, _, certificate = _minted(phone_of("ios-14"))
    assert _extension(certificate, "1.2.840.113635.100.8.7") == bytes.fromhex("300abf8a7806040431342e32")


@pytest.mark.parametrize("generation", GENERATIONS)
def test_key_properties_hold_the_app_id_in_clear(phone_of: PhoneOf, generation: str) -> None:
    """Tag 1204 of extension 8.5 is the pre-image of the app id hash, in every release."""
    phone = phone_of(generation)
    _, _, certificate = _minted(phone)
    app_id = phone.app_id.encode()
    octets = b"\x04" + bytes((len(app_id),)) + app_id
    value = _extension(certificate, "1.2.840.113635.100.8.5")
    assert value is not None
    assert b"\xbf\x89\x34" + bytes((len(octets),)) + octets in value


@pytest.mark.parametrize("generation", GENERATIONS)
def test_newer_extensions_appear_with_their_generation(phone_of: PhoneOf, generation: str) -> None:
    """Apple's EKU and extension 8.6 since iOS 26; absent, not empty, before."""
    _, _, certificate = _minted(phone_of(generation))
    oids = {extension.oid.dotted_string for extension in certificate.extensions}
    expected = generation in ("ios-26", "ios-27", "ios-27-integer-category", "macos-27")
    assert ("2.5.29.37" in oids) == expected
    assert ("1.2.840.113635.100.8.6" in oids) == expected
    if expected:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
        assert [u.dotted_string for u in usage.value] == ["1.2.840.113635.100.4.24"]
        assert not usage.critical


def test_mac_in_full_security_carries_the_list_that_apple_documents(phone_of: PhoneOf) -> None:
    """The one access control list to trust on macOS 27, byte for byte; an iPhone's differs."""
    documented = base64.b64decode(
        "MEAMAjExMDowCQwCb2uhAwEB/zAJDAJvYaEDAQH/MAsMBG9kZWyhAwEB/zAVDARvc2duoAYMBHJzZWMwBaYDAgEB"
    )
    _, _, mac = _minted(phone_of("macos-27"))
    _, _, phone = _minted(phone_of("ios-27"))
    assert _extension(mac, "1.2.840.113635.100.8.6") == bytes.fromhex("3046a3440442") + documented
    assert documented not in (_extension(phone, "1.2.840.113635.100.8.6") or documented)


def test_ios_27_appends_a_map_that_no_flag_announces(phone_of: PhoneOf) -> None:
    """Category as four little-endian bytes, version as text; the extension flag 0x80 stays clear."""
    _, attestation, _ = _minted(phone_of("ios-27", category=CATEGORY_TESTFLIGHT, bundle_version="7"))
    data = attestation["authData"]
    assert data[32] & 0x80 == 0
    assert list(cbor2.loads(data[164:]).items()) == [
        ("apple_validation_category_01", b"\x02\x00\x00\x00"),
        ("apple_bundle_version_01", "7"),
    ]


def test_integer_category_is_the_same_value(phone_of: PhoneOf) -> None:
    """The other spelling of the category: an unsigned integer."""
    _, attestation, _ = _minted(phone_of("ios-27-integer-category", category=4))
    assert cbor2.loads(attestation["authData"][164:])["apple_validation_category_01"] == 4


def test_development_build_says_so(phone_of: PhoneOf) -> None:
    """A build signed for development has the development AAGUID, all 16 bytes of it."""
    _, attestation, _ = _minted(phone_of(development=True))
    assert attestation["authData"][37:53] == b"appattestdevelop"


@pytest.mark.parametrize("generation", ["ios-14", "ios-27"])
def test_assertion_signs_the_nonce_as_a_message(phone_of: PhoneOf, generation: str) -> None:
    """Double hash, counter from 1, flag 0x40 although no attested data follows."""
    phone = phone_of(generation)
    key_id = phone.generate_key()
    for counter in (1, 2, 3):
        assertion = cbor2.loads(phone.generate_assertion(key_id, CLIENT_DATA_HASH))
        assert list(assertion) == ["signature", "authenticatorData"]
        data = assertion["authenticatorData"]
        assert data[:37] == sha256(phone.app_id.encode()).digest() + b"\x40" + counter.to_bytes(4)
        assert (len(data) > 37) == (generation == "ios-27")
        nonce = sha256(data + CLIENT_DATA_HASH).digest()
        public_key = phone.keys[key_id].private_key.public_key()
        public_key.verify(assertion["signature"], nonce, ec.ECDSA(hashes.SHA256()))


def test_same_clock_and_randomness_mint_the_same_bytes(phone_of: PhoneOf) -> None:
    """Tests can rely on every byte."""

    def mint() -> tuple[bytes, bytes]:
        phone = phone_of("ios-27")
        key_id = phone.generate_key()
        return phone.attest_key(key_id, CLIENT_DATA_HASH), phone.generate_assertion(key_id, CLIENT_DATA_HASH)

    assert mint() == mint()


def test_key_of_another_phone_is_not_attested(phone_of: PhoneOf) -> None:
    """A phone attests and asserts only with its own keys."""
    other = phone_of("ios-18").generate_key()
    with pytest.raises(KeyError):
        phone_of("ios-26").attest_key(other, CLIENT_DATA_HASH)
