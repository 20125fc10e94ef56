"""The certificate chain of an Android key: who vouches for it, by which provisioning, and how strictly that holds.

Two kinds of genuine chains exist. *Factory* chains carry a batch key that left the factory with thousands of devices;
it cannot be replaced, so its certificates stay in use after their end, and a quarter of them do not even claim to be a
CA. *Remotely provisioned* (RKP) chains are renewed every few weeks and obey RFC 5280. Each is held to what its genuine
devices do; whatever had to be allowed is in :attr:`DeviceChain.findings`, for policy to judge.

No path builder is used: it reorders and drops certificates, and properties would be checked on another chain than the
one that was sent. The order is Android's: the attested key first, its issuers after it, the root last or left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from functools import lru_cache
from typing import Final

from attestation.android import key_description
from attestation.encoding import der
from attestation.encoding.cbor import decode
from attestation.encoding.certificate import (
    BASIC_CONSTRAINTS,
    EXTENDED_KEY_USAGE,
    KEY_CERT_SIGN,
    KEY_USAGE,
    BasicConstraints,
    Certificate,
)
from attestation.encoding.certificate import read_certificate as _read_certificate
from attestation.encoding.chain import LinkCache, signing_anchor, verify_signature
from attestation.encoding.names import attributes, names_match
from attestation.endorsements import TrustAnchor, require_anchors
from attestation.errors import AttestationError, MalformedEvidence, Reason, RejectedEvidence

MIN_CERTIFICATES: Final = 3
MAX_CERTIFICATES: Final = 6
MAX_CERTIFICATE_BYTES: Final = 8 * 1024
MAX_CHAIN_BYTES: Final = 24 * 1024
"""Genuine chains have 2.5 to 7 KB; a certificate of an ML-DSA key has 2.6 KB."""

PROVISIONING_INFO: Final = "1.3.6.1.4.1.11129.2.1.30"
_CRL_DISTRIBUTION_POINTS: Final = "2.5.29.31"
_UNDERSTOOD: Final = frozenset({BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE, key_description.EXTENSION})
_NOT_A_CA: Final = BasicConstraints(False, None)
_ECDSA_WITH_NULL: Final = re.compile(rb"\x30\x0c\x06\x08\x2a\x86\x48\xce\x3d\x04\x03.\x05\x00\Z", re.DOTALL)
_RKP_CA: Final = re.compile(r"Droid CA[0-9]{1,3}\Z")

# What genuine chains needed allowed; the ids are stable, policies refer to them.
BATCH_NOT_CA: Final = "batch-certificate-not-ca"
FACTORY_EXPIRED: Final = "factory-certificate-expired"
LEAF_ISSUER_NAME: Final = "leaf-issuer-name-differs"
LEAF_DATES: Final = "leaf-outside-its-dates"
NULL_PARAMETERS: Final = "ecdsa-null-parameters"
CRL_POINTER: Final = "crl-pointer-unreadable"
TRAILING_OCTETS: Final = "octets-behind-certificate"
PROVISIONING_UNREADABLE: Final = "provisioning-info-unreadable"


@unique
class Provisioning(StrEnum):
    """How the batch key came onto the device."""

    FACTORY = "factory"
    RKP = "rkp"
    UNKNOWN = "unknown"


# Certificates below the root. A second check that nothing was added, besides the place of the KeyDescription.
_LENGTHS: Final = {
    Provisioning.FACTORY: range(3, 4),
    Provisioning.RKP: range(4, 5),
    Provisioning.UNKNOWN: range(2, MAX_CERTIFICATES + 1),
}


@dataclass(frozen=True, slots=True)
class DeviceChain:
    """A chain that was found good.

    ``profile`` is ``strict`` where RFC 5280 holds above the leaf, ``factory`` where a factory chain needed more.
    ``strongbox`` says whether the batch certificate is a StrongBox's; ``None`` when it names no environment.
    ``certificates_issued`` and ``manufacturer`` come with RKP batches.
    """

    leaf: Certificate
    anchor: TrustAnchor
    provisioning: Provisioning
    profile: str
    strongbox: bool | None
    certificates_issued: int | None
    manufacturer: str | None
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Path:
    """The certificates below the anchor, leaf first, and how the topmost one says they were provisioned."""

    certificates: tuple[Certificate, ...]
    anchor: TrustAnchor
    provisioning: Provisioning


def check_limits(encoded: Sequence[bytes]) -> None:
    """Step 1. Raises :class:`RejectedEvidence` (``chain-length``) or :class:`MalformedEvidence`."""
    if not MIN_CERTIFICATES <= len(encoded) <= MAX_CERTIFICATES:
        raise RejectedEvidence(Reason.CHAIN_LENGTH, f"chain of {len(encoded)} certificates")
    sizes = [len(certificate) for certificate in encoded]
    if max(sizes) > MAX_CERTIFICATE_BYTES or sum(sizes) > MAX_CHAIN_BYTES:
        raise MalformedEvidence(Reason.EVIDENCE_TOO_LARGE, f"chain of {sum(sizes)} bytes, largest {max(sizes)}")


def read_chain(encoded: Sequence[bytes]) -> tuple[Certificate, ...]:
    """Step 2: the certificates as sent, unjudged. Raises :class:`MalformedEvidence`."""
    return (_read_certificate(encoded[0], allow_trailing=True), *map(_read_issuer, encoded[1:]))


@lru_cache(maxsize=256)
def _read_issuer(encoded: bytes) -> Certificate:
    """Issuers come again with every device of a batch or vendor. Reading is pure, so remembering it judges nothing."""
    return _read_certificate(encoded, allow_trailing=True)


def find_path(chain: Sequence[Certificate], anchors: tuple[TrustAnchor, ...], links: LinkCache) -> Path:
    """Steps 3 and 4: the chain ends in a pinned key, and each certificate is signed by the next one's.

    An in-chain root counts as a copy of the pinned key and nothing else: its own dates, names and signature do not
    matter, since the one key was certified four times and the first certificate ended in May 2026. Signatures are
    checked from the anchor down, so no key is used before a trusted issuer has vouched for it.
    """
    pinned = [anchor for anchor in require_anchors(anchors) if anchor.spki == chain[-1].spki]
    path = tuple(chain[:-1]) if pinned else tuple(chain)
    if any(anchor.spki == certificate.spki for anchor in anchors for certificate in path):
        raise RejectedEvidence(Reason.CHAIN_LENGTH, "a root stands in the chain besides at its end")
    top = path[-1]
    named = [anchor for anchor in pinned or anchors if names_match(top.issuer, anchor.subject)]
    if not named:
        raise (
            RejectedEvidence(Reason.CHAIN_ISSUER_MISMATCH, f"certificate {len(path) - 1} names another issuer")
            if pinned
            else RejectedEvidence(Reason.ANCHOR_UNKNOWN, "the chain does not end in a trusted attestation root")
        )
    index = len(path) - 1
    try:
        anchor = signing_anchor(top, named, links.verify_link)
        for index in range(len(path) - 2, 0, -1):
            links.verify_link(path[index], path[index + 1].spki)
        index = 0  # seen once: remembering the leaf would only push issuers out
        verify_signature(path[0], path[1].spki)
    except AttestationError as error:
        error.add_note(f"certificate {index}")
        raise
    return Path(path, anchor, _provisioning(top.subject))


@lru_cache(maxsize=64)
def _provisioning(top: bytes) -> Provisioning:
    """By the name of the certificate that the root issued, which the root's signature vouches for."""
    named = _names(top)
    if named.get("O") == "Google LLC" and _RKP_CA.match(named.get("CN", "")):
        return Provisioning.RKP
    return Provisioning.FACTORY if "serialNumber" in named else Provisioning.UNKNOWN


@lru_cache(maxsize=256)
def _names(name: bytes) -> dict[str, str]:
    return {label: value for relative_name in attributes(name) for label, value in relative_name}


@lru_cache(maxsize=256)
def subject_serial_numbers(name: bytes) -> tuple[str, ...]:
    """Every ``serialNumber`` of a certificate's subject: factory keyboxes are known by it."""
    try:
        found = attributes(name)
    except MalformedEvidence:
        return ()
    return tuple(value for relative_name in found for label, value in relative_name if label == "serialNumber")


def check_names(path: Path) -> tuple[str, ...]:
    """Step 5: each certificate is issued in the name of the next one's subject.

    Not so at the leaf, where genuine phones (AUM-L29, POCOPHONE F1) leave out part of the name: there the signature
    binds, and the finding says so.
    """
    certificates = path.certificates
    for index in range(1, len(certificates) - 1):
        if not names_match(certificates[index].issuer, certificates[index + 1].subject):
            raise RejectedEvidence(Reason.CHAIN_ISSUER_MISMATCH, f"certificate {index} names another issuer")
    return () if names_match(certificates[0].issuer, certificates[1].subject) else (LEAF_ISSUER_NAME,)


def check_roles(path: Path) -> tuple[str, ...]:
    """Step 6: every issuer is a CA and may sign certificates, but for the batch certificate of a factory chain.

    33 of 120 genuine ones say ``CA:FALSE`` there, with a key usage to match (Sony, Huawei, Pixel 2, Galaxy S9 …). That
    opens nothing: what may stand below a batch certificate is settled by step 7.
    """
    findings = []
    for index, certificate in enumerate(path.certificates):
        for oid, extension in certificate.extensions.items():
            if extension.critical and oid not in _UNDERSTOOD:
                raise RejectedEvidence(Reason.CHAIN_CRITICAL_EXTENSION, f"certificate {index}: critical {oid}")
        if index == 0:
            continue
        constraints, usage = certificate.basic_constraints or _NOT_A_CA, certificate.key_usage
        may_sign = usage is None or bool(usage & KEY_CERT_SIGN)
        if index == 1 and path.provisioning is Provisioning.FACTORY:
            if not (constraints.ca and may_sign):
                findings.append(BATCH_NOT_CA)
            continue
        if not constraints.ca:
            raise RejectedEvidence(Reason.CHAIN_CA_FLAG, f"certificate {index} is not a CA")
        if not may_sign:
            raise RejectedEvidence(Reason.CHAIN_KEY_USAGE, f"certificate {index} may not sign certificates")
        if constraints.path_length is not None and index - 1 > constraints.path_length:
            raise RejectedEvidence(Reason.CHAIN_PATH_LENGTH, f"certificate {index} allows fewer CAs below it")
    return tuple(findings)


def check_shape(path: Path) -> None:
    """Step 7, besides the KeyDescription's place: as many certificates as this provisioning gives, and its mark where
    it belongs, in the batch certificate."""
    count = len(path.certificates)
    if count not in _LENGTHS[path.provisioning]:
        raise RejectedEvidence(
            Reason.CHAIN_LENGTH, f"{count} certificates below the root of a chain by {path.provisioning} provisioning"
        )
    for index, certificate in enumerate(path.certificates):
        if PROVISIONING_INFO in certificate.duplicated or (index != 1 and PROVISIONING_INFO in certificate.extensions):
            raise RejectedEvidence(
                Reason.PROVISIONING_INFO_MISPLACED, f"provisioning information in certificate {index}"
            )


def check_dates(path: Path, now: float) -> tuple[str, ...]:
    """Step 9: issuers are valid at ``now``; the end of a factory certificate only adds a finding.

    A leaf's dates come from the device's clock (1960, 1970 and 2106 occur) and refuse no device.
    """
    findings: dict[str, None] = {}
    for index, certificate in enumerate(path.certificates[1:], 1):
        if now < certificate.not_before:
            raise RejectedEvidence(Reason.CHAIN_NOT_YET_VALID, f"certificate {index} is not valid yet")
        if now > certificate.not_after:
            if path.provisioning is not Provisioning.FACTORY:
                raise RejectedEvidence(Reason.CHAIN_EXPIRED, f"certificate {index} has expired")
            findings[FACTORY_EXPIRED] = None
    leaf = path.certificates[0]
    if not leaf.not_before <= now <= leaf.not_after:
        findings[LEAF_DATES] = None
    return tuple(findings)


def describe_chain(path: Path, findings: Sequence[str]) -> DeviceChain:
    """What the chain says about the device, and how well it was made."""
    leaf, batch = path.certificates[:2]
    noted = dict.fromkeys(findings)
    if _ECDSA_WITH_NULL.match(leaf.signature_algorithm):
        noted[NULL_PARAMETERS] = None
    if any(certificate.trailing for certificate in path.certificates):
        noted[TRAILING_OCTETS] = None
    if any(extension.ber_true for extension in leaf.extensions.values()):
        noted[key_description.BER_TRUE] = None
    pointer = leaf.extensions.get(_CRL_DISTRIBUTION_POINTS)
    if pointer is not None and not _is_sequence(pointer.value):
        noted[CRL_POINTER] = None
    issued, manufacturer, readable = _provisioning_info(batch)
    if not readable:
        noted[PROVISIONING_UNREADABLE] = None
    allowed = noted.keys() & {BATCH_NOT_CA, FACTORY_EXPIRED}
    return DeviceChain(
        leaf=leaf,
        anchor=path.anchor,
        provisioning=path.provisioning,
        profile="factory" if allowed else "strict",
        strongbox=_strongbox(batch.subject),
        certificates_issued=issued,
        manufacturer=manufacturer,
        findings=tuple(noted),
    )


def _is_sequence(value: bytes) -> bool:
    try:
        der.single(value, der.SEQUENCE)
    except MalformedEvidence:
        return False
    return True


def _strongbox(batch: bytes) -> bool | None:
    """Which environment the batch certificate was issued to: ``O`` of RKP batches, ``title`` of factory ones."""
    named = _names(batch)
    environments = {named.get(label, "").casefold() for label in ("O", "title")}
    if "strongbox" in environments:
        return True
    return False if "tee" in environments else None


def _provisioning_info(batch: Certificate) -> tuple[int | None, str | None, bool]:
    """Certificates issued and manufacturer, as the provisioning server noted them; and whether that could be read."""
    extension = batch.extensions.get(PROVISIONING_INFO)
    return (None, None, True) if extension is None else _read_info(extension.value)


@lru_cache(maxsize=64)
def _read_info(value: bytes) -> tuple[int | None, str | None, bool]:
    """A CBOR map ``{1: count, 3: manufacturer}`` of which other keys mean nothing to us. Never a reason to refuse."""
    try:
        info = decode(value, text_keys=False)
    except MalformedEvidence:
        return None, None, False
    if not isinstance(info, dict):
        return None, None, False
    issued, manufacturer = info.get(1), info.get(3)
    return (
        issued if type(issued) is int else None,
        manufacturer[:64] if isinstance(manufacturer, str) else None,
        True,
    )
