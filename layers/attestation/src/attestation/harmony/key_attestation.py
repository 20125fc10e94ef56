"""HUKS key attestation: a key in a HarmonyOS device's key store, for one app, over one challenge.

:data:`STEPS` numbers what is checked, in the order of the code. Sources: Huawei's guide "device attestation servers",
the public code of OpenHarmony (``security_huks``, ``security_certificate_framework``), and genuine chains. Huawei's and
OpenHarmony's own sample verifiers are not to be followed: they take certificates of phones and developers for CAs, or
trust whatever root a chain brings.

**Bytes that a relay can change.** Every byte of a chain takes part in a check, but for an in-chain root, of which only
the key is looked at. And an ECDSA signature (r, s) has a twin, (r, n - s), that is just as good. So a chain's own bytes
must never serve as an identity or a replay key; the key id does.

What an attestation does not prove: how the device booted (no HUKS attestation says so; ask for device integrity as
well), and that the *session* runs on that device. An anonymous leaf lives seven days: verify it on receipt, keep the
verdict, and never judge the same chain again. Nothing here asks for revocation: leaves that a server of Huawei's issued
say that there is none for them; where a certificate of the device issued the leaf, a finding says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hmac import compare_digest
from typing import Final

from attestation.claims import Claims, HarmonyClaims, KeyStorage, Platform
from attestation.encoding.certificate import Certificate, read_certificate
from attestation.encoding.chain import LINKS, LinkCache, below_anchor, verify_path
from attestation.encoding.subject_key import read_subject_key
from attestation.endorsements import Endorsements, TrustAnchor, require_anchors
from attestation.errors import MalformedEvidence, Reason, RejectedEvidence
from attestation.evidence import AttestationKind, HarmonyKeyAttestation
from attestation.harmony.attestation_extension import (
    ATTESTATION,
    DEVICE_IDENTIFIERS,
    KEY_MANAGER,
    KEY_ORIGIN,
    KEY_PURPOSE,
    KNOWN_VERSION,
    MODEL,
    Application,
    AttestationStatement,
    read_device_security_level,
    read_statement,
)
from attestation.reference_values import Environment, HarmonyReferenceValues
from attestation.seal import Seal

FORMAT: Final = "harmony-key-attestation"

STEPS: Final = {
    1: "two to five certificates of bounded size, leaf first, and the root of the declared kind",
    2: "one attestation, and it is the first certificate's; a certificate that is no CA",
    3: "a valid path, now, to a pinned root of that kind",
    4: "an attestation that can be read, over our challenge",
    5: "our app, by our signer",
    6: "a key of HUKS, not of another component",
    7: "a key generated where it is",
    8: "a key that can be described",
}
"""What each step checks. 9, that the app holds the key, shows when the key signs: by the first proof or renewal."""

KEY_MANAGER_ID: Final = bytes.fromhex("28c4fb4944afec11b9090242ac120002")
"""The component that is HUKS (Universal Keystore Kit)."""
TEE_LEVEL: Final = 3
"""The security level of what the trusted execution environment vouches for; 2 is the operating system."""
RELEASE: Final = "release"
DEBUG: Final = "debug"
_GENERATED: Final = 2
_MIN_CHAIN: Final = 2
_MAX_CHAIN: Final = 5
_ONLINE: Final = 2  # certificates below the root where a server of Huawei's issued the leaf

ORIGIN_UNKNOWN: Final = "harmony-key-origin-unknown"
"""Finding: the release does not say whether the key was generated or imported."""
APP_MODE_UNKNOWN: Final = "harmony-app-mode-unknown"
"""Finding: the release does not say whether the app is a debug build."""
SIGNER_UNPINNED: Final = "harmony-signer-unpinned"
"""Finding: the app is registered without app ids and identifiers, so any build of that name passes."""
REVOCATION_UNCHECKED: Final = "harmony-revocation-unchecked"
"""Finding: a non-anonymous chain, whose device certificate may be revoked; Huawei's list was not asked."""
ISSUED_ON_DEVICE: Final = "harmony-issued-on-device"
"""Finding: an anonymous chain made without the network: a CA of the device's own issued the key's certificate, and may
have been revoked since."""
DEVICE_IDENTIFIED: Final = "harmony-device-identified"
"""Finding: the attestation names the single device. The names are not read out."""
VERSION_UNKNOWN: Final = "harmony-attestation-version-unknown"
"""Finding: the attestation calls itself a version that is not known here, and has the known structure."""
CLAIMS_UNREAD: Final = "harmony-claims-unread"
"""Finding: a claim that nothing rests on, or the device's own level, came in a form that no document names."""
SIMULATOR: Final = "harmony-simulator"
"""Finding: an OpenHarmony simulator or development board, let in by its switch. It proves nothing."""


def verify_key_attestation(
    evidence: HarmonyKeyAttestation,
    *,
    client_data_hash: bytes,
    reference_values: HarmonyReferenceValues,
    endorsements: Endorsements,
    now: float,
    links: LinkCache = LINKS,
) -> Claims:
    """Verify a HUKS attestation and return what it proves.

    ``client_data_hash`` is the value the app passed as ``HUKS_TAG_ATTESTATION_CHALLENGE``, verbatim; ``now`` is the
    time of receipt in Unix seconds. Raises :class:`MalformedEvidence`, :class:`RejectedEvidence` or
    :class:`EndorsementsUnavailable`.
    """
    # 1. A chain of plausible size, and the roots that the declared kind has.
    if not _MIN_CHAIN <= len(evidence.certificate_chain) <= _MAX_CHAIN:
        raise RejectedEvidence(Reason.CHAIN_LENGTH, f"{len(evidence.certificate_chain)} certificates")
    leaf = read_certificate(evidence.certificate_chain[0])
    certificates = [leaf, *map(links.read_issuer, evidence.certificate_chain[1:])]
    anchors = require_anchors(endorsements.harmony(evidence.kind)) + endorsements.harmony_simulator
    # 2. Roles. Before any signature, because a misplaced attestation names the attack: an app's key playing CA.
    _check_roles(certificates)
    # 3. A valid path, now. Sub-CAs are not pinned, because Huawei rotates them.
    anchor = verify_path(certificates, anchors=anchors, now=now, links=links, max_length=_MAX_CHAIN)
    simulator = anchor in endorsements.harmony_simulator
    # 4. The statement, and our challenge in it.
    statement = read_statement(leaf)
    if not compare_digest(statement.challenge, client_data_hash):
        raise RejectedEvidence(Reason.CHALLENGE_MISMATCH, "the attestation binds other client data")
    # 5. One of our apps, by one of our signers. Whether a debug build will do is policy's business.
    application = statement.application()
    _check_application(application, reference_values)
    # 6. and 7. A key of HUKS, generated in it.
    key_manager_level = _key_manager_level(statement, simulator=simulator)
    _check_origin(statement)
    # 8. The key. One that cannot sign ES256 is described; policy refuses it.
    subject = read_subject_key(leaf.spki)
    device_level, level_unread = _device_security_level(certificates, anchor)
    in_tee = key_manager_level == TEE_LEVEL and not simulator
    return Claims(
        seal=Seal.VERIFIED,
        format=FORMAT,
        platform=Platform.HARMONY,
        app_id=application.bundle_name,
        public_key=subject.public_key,
        key_storage=KeyStorage.TEE if in_tee else KeyStorage.SOFTWARE,
        environment=_environment(application, simulator=simulator),
        chain_profile="simulator" if simulator else "strict",
        anchor=anchor.digest,
        findings=(
            *_of_the_chain(evidence.kind, certificates, anchor),
            *_of_the_statement(statement, application, reference_values),
            *([CLAIMS_UNREAD] if statement.unread or level_unread else []),
            *([SIMULATOR] if simulator else []),
        ),
        harmony=HarmonyClaims(
            kind=evidence.kind.value,
            bundle_name=application.bundle_name,
            app_id=application.app_id,
            app_identifier=application.app_identifier,
            app_mode=application.app_mode,
            key_origin=None if statement.number(KEY_ORIGIN) is None else "generated",
            key_origin_level=statement.levels.get(KEY_ORIGIN),
            key_manager_level=key_manager_level,
            key_algorithm=subject.name,
            key_purposes=statement.number(KEY_PURPOSE),
            model=statement.text(MODEL),
            device_security_level=device_level,
            claim_levels=dict(statement.levels),
            simulator=simulator,
        ),
    )


def _check_roles(certificates: Sequence[Certificate]) -> None:
    for index, certificate in enumerate(certificates[1:], 1):
        if ATTESTATION in certificate.extensions:
            raise RejectedEvidence(Reason.ATTESTATION_MISPLACED, f"certificate {index} is an attested key's own")
    constraints = certificates[0].basic_constraints
    if constraints is not None and constraints.ca:
        raise RejectedEvidence(Reason.CHAIN_CA_FLAG, "the leaf is a CA")


def _check_application(application: Application, expected: HarmonyReferenceValues) -> None:
    """The id holds the signer's key, the identifier outlives it: either tells our build from another's."""
    if application.bundle_name not in expected.bundle_names:
        raise RejectedEvidence(Reason.APP_MISMATCH, "the attestation is of another app")
    if not expected.app_ids and not expected.app_identifiers:
        return
    if application.app_id in expected.app_ids or application.app_identifier in expected.app_identifiers:
        return
    raise RejectedEvidence(Reason.SIGNER_MISMATCH, "our bundle name, another signer")


def _key_manager_level(statement: AttestationStatement, *, simulator: bool) -> int | None:
    """Step 6. The simulator's leaves have no such claim: the first of two things that its switch relaxes."""
    component = statement.values.get(KEY_MANAGER)
    if component is None and simulator:
        return None
    if component is None:
        raise RejectedEvidence(Reason.KEY_MANAGER, "the attestation does not say which component holds the key")
    if not compare_digest(component, KEY_MANAGER_ID):
        raise RejectedEvidence(Reason.KEY_MANAGER, "the key belongs to another component than HUKS")
    return statement.levels[KEY_MANAGER]


def _check_origin(statement: AttestationStatement) -> None:
    """Step 7. Releases of 2024 do not say: a finding. Imported, agreed and derived keys may exist elsewhere as well."""
    origin = statement.number(KEY_ORIGIN)
    if origin not in (None, _GENERATED):
        raise RejectedEvidence(Reason.KEY_ORIGIN, f"the key's origin is {origin}, not generated")


def _device_security_level(certificates: Sequence[Certificate], anchor: TrustAnchor) -> tuple[int | None, bool]:
    """What the device certificate, second in a non-anonymous chain, says; and whether it says something unreadable.

    A root's own bytes are unsigned, so one that stands second says nothing.
    """
    issuers = below_anchor(certificates, anchor)[1:]
    if not issuers:
        return None, False
    try:
        return read_device_security_level(issuers[0]), False
    except MalformedEvidence:
        return None, True


def _environment(application: Application, *, simulator: bool) -> Environment:
    return Environment.DEVELOPMENT if simulator or application.app_mode == DEBUG else Environment.PRODUCTION


def _of_the_chain(kind: AttestationKind, certificates: Sequence[Certificate], anchor: TrustAnchor) -> Iterator[str]:
    if kind is AttestationKind.NON_ANONYMOUS:
        yield REVOCATION_UNCHECKED
    elif len(below_anchor(certificates, anchor)) > _ONLINE:
        yield ISSUED_ON_DEVICE


def _of_the_statement(
    statement: AttestationStatement, application: Application, expected: HarmonyReferenceValues
) -> Iterator[str]:
    if statement.version != KNOWN_VERSION:
        yield VERSION_UNKNOWN
    if statement.number(KEY_ORIGIN) is None:
        yield ORIGIN_UNKNOWN
    if application.app_mode is None:
        yield APP_MODE_UNKNOWN
    if not expected.app_ids and not expected.app_identifiers:
        yield SIGNER_UNPINNED
    if not DEVICE_IDENTIFIERS.isdisjoint(statement.levels):
        yield DEVICE_IDENTIFIED
