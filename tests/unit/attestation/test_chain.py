"""Chains: what RFC 5280 allows, one mutation and one reason each; and the memory of good links."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from attestation.encoding import chain
from attestation.encoding.certificate import Certificate
from attestation.encoding.chain import LinkCache, check_signature, verify_path, verify_signature
from attestation.endorsements import TrustAnchor
from attestation.errors import AttestationError, EndorsementsUnavailable, MalformedEvidence, Reason, RejectedEvidence
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from devkit.devices.authority.certificate_template import (
    CRL_SIGN,
    DIGITAL_SIGNATURE,
    KEY_CERT_SIGN,
    Extension,
    basic_constraints,
    key_usage,
    name,
    spki_of,
)
from devkit.devices.authority.der_writer import NULL, object_identifier, sequence

from .minting import (
    ANCHOR,
    CA_KEY,
    CA_NAME,
    DAY,
    LEAF_KEY,
    NOW,
    ROOT,
    ROOT_KEY,
    ROOT_NAME,
    SUB_KEY,
    SUB_NAME,
    ca_template,
    key_of,
    minted,
    template,
)

LEAF, CA = minted(template()), minted(ca_template(), ROOT_KEY)


def path(*certificates: Certificate, **changes: Any) -> TrustAnchor:
    arguments: dict[str, Any] = {"anchors": (ANCHOR,), "now": NOW, "links": LinkCache()}
    return verify_path(certificates or (LEAF, CA), **(arguments | changes))


def reason_of(action: Callable[[], object]) -> Reason:
    with pytest.raises(AttestationError) as refusal:
        action()
    return refusal.value.reason


def with_ca(**changes: Any) -> tuple[Certificate, Certificate]:
    return LEAF, minted(ca_template(**changes), ROOT_KEY)


# --- paths that hold ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("certificates", [(LEAF, CA), (LEAF, CA, ROOT)])
def test_chain_with_or_without_its_root_ends_in_the_anchor(certificates: tuple[Certificate, ...]) -> None:
    """Apple leaves the root out, Android sends it."""
    assert path(*certificates) == ANCHOR


def test_leaf_directly_below_the_anchor_is_a_chain_of_one() -> None:
    """No intermediate is needed."""
    assert path(minted(template(issuer=ROOT_NAME), ROOT_KEY)) == ANCHOR


def test_root_alone_is_judged_as_a_leaf() -> None:
    """What a leaf must be is the caller's to ask."""
    assert path(ROOT) == ANCHOR
    assert reason_of(lambda: path(ROOT, now=NOW + 2 * DAY)) is Reason.CHAIN_EXPIRED


def test_dates_of_a_root_that_is_sent_along_do_not_count() -> None:
    """Vendors re-certify one root key: the anchor is the key, not that certificate."""
    expired = minted(
        ca_template(issuer=ROOT_NAME, subject=ROOT_NAME, spki=spki_of(ROOT_KEY), not_after=NOW - 1), ROOT_KEY
    )
    assert path(LEAF, CA, expired) == ANCHOR


def test_anchor_is_chosen_by_key_among_those_of_one_name() -> None:
    """Several anchors may share a name, as Google's and a renewed root do."""
    namesake = TrustAnchor(ROOT_NAME, spki_of(key_of(77, ec.SECP384R1())))
    assert path(anchors=(namesake, ANCHOR)) == ANCHOR


def test_path_of_four_below_a_pathlen_of_one_holds() -> None:
    """leaf, sub CA, CA, root; the path length counts CAs below, not the leaf."""
    ca = minted(ca_template(extensions=(basic_constraints(ca=True, path_length=1),)), ROOT_KEY)
    sub = minted(
        ca_template(issuer=CA_NAME, subject=SUB_NAME, spki=spki_of(SUB_KEY), extensions=(basic_constraints(ca=True),))
    )
    leaf = minted(template(issuer=SUB_NAME), SUB_KEY)
    assert path(leaf, sub, ca, ROOT) == ANCHOR


def test_issuer_without_key_usage_may_issue() -> None:
    """RFC 5280 §6.1.4 (n): the extension restricts where it is present."""
    assert path(*with_ca(extensions=(basic_constraints(ca=True),))) == ANCHOR


def test_extended_key_usage_may_be_critical() -> None:
    """It is understood, and not judged here."""
    eku = Extension("2.5.29.37", sequence(object_identifier("1.2.3.4")), critical=True)
    assert path(minted(template().with_extension(eku)), CA) == ANCHOR


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
@pytest.mark.parametrize("digest", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
def test_every_allowed_curve_goes_with_every_allowed_hash(
    curve: ec.EllipticCurve, digest: hashes.HashAlgorithm
) -> None:
    """P-384 with SHA-256 and P-256 with SHA-384 are both in the field."""
    key, last = key_of(5, curve), {"sha256": 2, "sha384": 3, "sha512": 4}[digest.name]
    for parameters in (b"", NULL):
        algorithm = sequence(object_identifier(f"1.2.840.10045.4.3.{last}"), parameters)
        check_signature(algorithm, spki_of(key), key.sign(b"message", ec.ECDSA(digest)), b"message")


RSA_KEY = rsa.generate_private_key(65_537, 2048)


def rsa_algorithm(last: int, parameters: bytes = NULL) -> bytes:
    return sequence(object_identifier(f"1.2.840.113549.1.1.{last}"), parameters)


@pytest.mark.parametrize("parameters", [NULL, b""])
@pytest.mark.parametrize(("last", "digest"), [(11, hashes.SHA256()), (12, hashes.SHA384()), (13, hashes.SHA512())])
def test_rsa_with_sha2_is_allowed(last: int, digest: hashes.HashAlgorithm, parameters: bytes) -> None:
    """PKCS #1 v1.5 from 2048 bits on; absent parameters must be accepted (RFC 4055 §5)."""
    signature = RSA_KEY.sign(b"message", PKCS1v15(), digest)
    check_signature(rsa_algorithm(last, parameters), spki_of(RSA_KEY), signature, b"message")


# --- paths that do not --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "action"),
    [
        (Reason.CHAIN_LENGTH, lambda: verify_path([], anchors=(ANCHOR,), now=NOW)),
        (Reason.CHAIN_LENGTH, lambda: path(*[LEAF] * 7)),
        (Reason.CHAIN_LENGTH, lambda: path(LEAF, CA, ROOT, max_length=2)),
        (Reason.CHAIN_LENGTH, lambda: path(LEAF, CA, ROOT, ROOT)),
        (Reason.ANCHOR_UNKNOWN, lambda: path(LEAF)),
        (Reason.ANCHOR_UNKNOWN, lambda: path(CA, LEAF)),
        (Reason.ANCHOR_UNKNOWN, lambda: path(anchors=(TrustAnchor(ROOT_NAME, spki_of(key_of(8, ec.SECP384R1()))),))),
        (Reason.ANCHOR_UNKNOWN, lambda: path(anchors=(TrustAnchor(name(("CN", "Other")), ANCHOR.spki),))),
        (Reason.ANCHOR_UNKNOWN, lambda: path(LEAF, CA, ROOT, LEAF)),
        (Reason.CHAIN_ISSUER_MISMATCH, lambda: path(LEAF, *with_ca(subject=SUB_NAME)[1:])),
        (Reason.CHAIN_SIGNATURE, lambda: path(minted(template(), key_of(6, ec.SECP384R1())), CA)),
        (Reason.CHAIN_CA_FLAG, lambda: path(*with_ca(extensions=(basic_constraints(ca=False),)))),
        (Reason.CHAIN_CA_FLAG, lambda: path(*with_ca(extensions=()))),
        (Reason.CHAIN_KEY_USAGE, lambda: path(*with_ca(extensions=(basic_constraints(ca=True), key_usage(CRL_SIGN))))),
        (Reason.CHAIN_NOT_YET_VALID, lambda: path(*with_ca(not_before=NOW + 1))),
        (Reason.CHAIN_EXPIRED, lambda: path(*with_ca(not_after=NOW - 1))),
        (Reason.CHAIN_NOT_YET_VALID, lambda: path(now=NOW - DAY - 1)),
        (Reason.CHAIN_EXPIRED, lambda: path(now=NOW + DAY + 1)),
        (Reason.CHAIN_NOT_YET_VALID, lambda: path(minted(template(validity=sequence(NULL, NULL))), CA)),
    ],
)
def test_chain_with_one_flaw_is_refused_for_it(reason: Reason, action: Callable[[], object]) -> None:
    """Length, order, anchor, names, signature, CA flag, key usage, dates."""
    assert reason_of(action) is reason


def test_path_longer_than_a_ca_allows_is_refused() -> None:
    """A CA of path length 0 issues leaves, not CAs."""
    ca = minted(ca_template(extensions=(basic_constraints(ca=True, path_length=0),)), ROOT_KEY)
    sub = minted(
        ca_template(issuer=CA_NAME, subject=SUB_NAME, spki=spki_of(SUB_KEY), extensions=(basic_constraints(ca=True),))
    )
    assert reason_of(lambda: path(minted(template(issuer=SUB_NAME), SUB_KEY), sub, ca)) is Reason.CHAIN_PATH_LENGTH


def test_leaf_cannot_issue() -> None:
    """A genuine leaf below a genuine CA signs another certificate: the oldest attack on chains."""
    forged = minted(template(issuer=LEAF.subject, subject=name(("CN", "Forged"))), LEAF_KEY)
    assert reason_of(lambda: path(forged, LEAF, CA)) is Reason.CHAIN_CA_FLAG


@pytest.mark.parametrize("level", [0, 1])
@pytest.mark.parametrize("repeated", [False, True])
def test_critical_extension_that_is_not_understood_is_refused(level: int, repeated: bool) -> None:
    """RFC 5280 §4.2, at the leaf and above; also when only the second of two copies is critical."""
    odd = Extension("1.2.3.4", b"", critical=True)
    extras = (replace(odd, critical=False), odd) if repeated else (odd,)
    leaf = minted(template(extensions=(*template().extensions, *extras))) if level == 0 else LEAF
    ca = minted(ca_template(extensions=(*ca_template().extensions, *extras)), ROOT_KEY) if level else CA
    assert reason_of(lambda: path(leaf, ca)) is Reason.CHAIN_CRITICAL_EXTENSION


def test_ca_that_says_both_is_malformed() -> None:
    """Two basic constraints: no reader's choice."""
    both = (basic_constraints(ca=True), basic_constraints(ca=False))
    assert reason_of(lambda: path(*with_ca(extensions=both))) is Reason.STRUCTURE_INVALID


def test_no_anchor_is_an_error_of_ours_and_no_pass() -> None:
    """An empty set of roots must never mean "trust any root"."""
    with pytest.raises(EndorsementsUnavailable):
        path(anchors=())


def _ed25519() -> bytes:
    return (
        ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


ECDSA_SHA256 = sequence(object_identifier("1.2.840.10045.4.3.2"))


@pytest.mark.parametrize(
    ("algorithm", "spki"),
    [
        (sequence(object_identifier("1.2.840.10045.4.1")), spki_of(CA_KEY)),  # ECDSA with SHA-1
        (rsa_algorithm(5), spki_of(RSA_KEY)),  # RSA with SHA-1
        (rsa_algorithm(4), spki_of(RSA_KEY)),  # RSA with MD5
        (rsa_algorithm(10), spki_of(RSA_KEY)),  # PSS
        (ECDSA_SHA256, spki_of(RSA_KEY)),
        (rsa_algorithm(11), spki_of(CA_KEY)),
        (ECDSA_SHA256, spki_of(key_of(1, ec.SECP224R1()))),
        (ECDSA_SHA256, spki_of(key_of(1, ec.SECP256K1()))),
        (ECDSA_SHA256, _ed25519()),
        (sequence(object_identifier("1.3.101.112")), _ed25519()),
        (b"", spki_of(CA_KEY)),
    ],
)
def test_algorithm_outside_the_allow_list_is_refused(algorithm: bytes, spki: bytes) -> None:
    """Weak hashes, other schemes, other curves, and a key of another type than the algorithm's."""
    assert reason_of(lambda: check_signature(algorithm, spki, b"signature", b"message")) is Reason.CHAIN_ALGORITHM


def test_rsa_of_1024_bits_is_refused_even_with_a_good_signature() -> None:
    """Keys that can be factored vouch for nothing."""
    small = rsa.generate_private_key(65_537, 1024)  # noqa: S505
    signature = small.sign(b"message", PKCS1v15(), hashes.SHA256())
    spki = spki_of(small)
    assert reason_of(lambda: check_signature(rsa_algorithm(11), spki, signature, b"message")) is Reason.CHAIN_ALGORITHM


@pytest.mark.parametrize("spki", [b"", b"\x30\x00", spki_of(CA_KEY)[:-1], spki_of(LEAF_KEY)[:-1] + b"\x00"])
def test_unreadable_issuer_key_is_malformed(spki: bytes) -> None:
    """Cut off, empty, off the curve."""
    with pytest.raises(MalformedEvidence) as refusal:
        verify_signature(LEAF, spki)
    assert refusal.value.reason is Reason.KEY_UNREADABLE


# --- the memory of links ------------------------------------------------------------------------------------------


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many signatures were verified, kept by serial number."""
    verified: list[int] = []
    real = chain.verify_signature

    def counting(certificate: Certificate, issuer_spki: bytes) -> None:
        verified.append(certificate.serial)
        real(certificate, issuer_spki)

    monkeypatch.setattr(chain, "verify_signature", counting)
    return verified


def test_issuer_is_verified_once_and_leaf_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the fleet shares is remembered, what is new each time is not."""
    links, verified = LinkCache(), counted(monkeypatch)
    ca = minted(ca_template(serial=1), ROOT_KEY)
    for _ in range(3):
        path(LEAF, ca, links=links)
    assert sorted(verified) == [1, 4711, 4711, 4711]
    assert len(links) == 1


def test_dates_are_judged_again_on_every_call() -> None:
    """A remembered signature says nothing about time."""
    links = LinkCache()
    path(links=links)
    assert reason_of(lambda: path(links=links, now=NOW + 2 * DAY)) is Reason.CHAIN_EXPIRED


def test_bad_link_is_not_remembered() -> None:
    """No attacker without an issuer's key can fill the memory, nor turn a refusal into a pass."""
    links = LinkCache()
    forged = minted(ca_template(), key_of(6, ec.SECP384R1()))
    for _ in range(2):
        with pytest.raises(RejectedEvidence):
            links.verify_link(forged, ANCHOR.spki)
    assert len(links) == 0


def test_link_is_remembered_for_its_issuer_only() -> None:
    """The same certificate under another key is another question."""
    links = LinkCache()
    links.verify_link(CA, ANCHOR.spki)
    assert reason_of(lambda: links.verify_link(CA, spki_of(key_of(6, ec.SECP384R1())))) is Reason.CHAIN_SIGNATURE


def test_changed_certificate_is_a_new_link() -> None:
    """The key is every byte of the certificate, not its number or name."""
    links = LinkCache()
    links.verify_link(CA, ANCHOR.spki)
    changed = bytearray(CA.raw)
    changed[-1] ^= 1
    assert (
        reason_of(lambda: links.verify_link(links.read_issuer(bytes(changed)), ANCHOR.spki)) is Reason.CHAIN_SIGNATURE
    )


def test_least_recently_used_link_goes_first() -> None:
    """Bounded: the busy ones stay."""
    links = LinkCache(capacity=2)
    first, second, third = (minted(ca_template(serial=serial), ROOT_KEY) for serial in (1, 2, 3))
    for certificate in (first, second, first, third):
        links.verify_link(certificate, ANCHOR.spki)
    assert len(links) == 2
    remembered = [key[0] for key in links._links]
    assert remembered == [first.raw, third.raw]


def test_issuer_that_was_read_first_is_forgotten_first() -> None:
    """The second memory is bounded as the first is."""
    links = LinkCache(capacity=2)
    issuers = [minted(ca_template(serial=serial), ROOT_KEY) for serial in (1, 2, 3)]
    for certificate in issuers:
        links.verify_link(certificate, ANCHOR.spki)
    assert [links.read_issuer(certificate.raw) is certificate for certificate in issuers] == [False, True, True]


def test_known_issuer_is_read_once() -> None:
    """Only certificates whose signature held are kept as read."""
    links = LinkCache()
    assert links.read_issuer(CA.raw) is not links.read_issuer(CA.raw)
    links.verify_link(CA, ANCHOR.spki)
    assert links.read_issuer(CA.raw) is CA


def test_links_are_shared_between_threads() -> None:
    """Many threads, one small cache: right answers, and the bound holds."""
    links, failures = LinkCache(capacity=4), []
    certificates = [minted(ca_template(serial=serial), ROOT_KEY) for serial in range(12)]

    def work(offset: int) -> None:
        try:
            for index in range(24):
                links.verify_link(certificates[(index + offset) % 12], ANCHOR.spki)
        except Exception as fault:
            failures.append(fault)

    threads = [threading.Thread(target=work, args=(offset,)) for offset in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(links) == 4


def test_signer_may_be_for_signatures_only_as_a_leaf() -> None:
    """The leaf's own role is the caller's: a leaf without key usage passes the path."""
    assert path(minted(template(extensions=())), CA) == ANCHOR
    assert path(minted(template(extensions=(key_usage(DIGITAL_SIGNATURE | KEY_CERT_SIGN),))), CA) == ANCHOR
