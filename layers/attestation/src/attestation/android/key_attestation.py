"""Android Key Attestation: a key made in a device's secure hardware, for one app, over one challenge.

:data:`STEPS` numbers what is checked; the order is the numbers' but for 8 and 7, which are cheap, name the attack, and
so come before the signatures. Sources: https://developer.android.com/privacy-and-security/security-key-attestation and
https://source.android.com/docs/security/features/keystore/attestation.

**Bytes that a relay can change.** Every byte of a chain takes part in a check, but for an in-chain root (only its key
and its serial are looked at; anyone can write another certificate for that key), and octets behind a certificate,
which are counted. And an ECDSA signature (r, s) has a twin, (r, n - s), that is just as good. So a chain's own bytes
must never serve as an identity or a replay key; the key id does.

What an attestation does not prove: that the *session* runs on that device. Relays from a clean device are known. Bind
the key to requests by proofs, and keep challenges short-lived.
"""

from __future__ import annotations

from collections.abc import Sequence
from hmac import compare_digest
from typing import Final, NamedTuple

from attestation.android import key_description as kd
from attestation.android.device_chain import (
    DeviceChain,
    Provisioning,
    check_dates,
    check_limits,
    check_names,
    check_roles,
    check_shape,
    describe_chain,
    find_path,
    read_chain,
    subject_serial_numbers,
)
from attestation.android.key_description import (
    KeyDescription,
    RootOfTrust,
    SecurityLevel,
    VerifiedBootState,
    read_key_description,
)
from attestation.android.revocation import LONG_SERIAL_BITS, StatusList
from attestation.android.subject_key import check_consistency
from attestation.claims import AndroidClaims, Claims, KeyStorage, Platform
from attestation.encoding.certificate import Certificate
from attestation.encoding.chain import LINKS, LinkCache
from attestation.encoding.subject_key import SubjectKey, read_subject_key
from attestation.endorsements import Endorsements
from attestation.errors import AttestationError, MalformedEvidence, Reason, RejectedEvidence
from attestation.evidence import AndroidKeyAttestation
from attestation.reference_values import AndroidReferenceValues, Environment
from attestation.seal import Seal

FORMAT: Final = "android-key-attestation"

STEPS: Final = {
    1: "three to six certificates of bounded size, in the order of Android",
    2: "certificates that can be read",
    3: "each certificate signed by the next one's key",
    4: "a pinned Google root at the end",
    5: "issuers named as they are",
    6: "issuers that may issue",
    7: "one KeyDescription, and it is the attested key's",
    8: "no attestation key of the app in between",
    9: "issuers within their dates",
    10: "nothing revoked",
    11: "a KeyDescription that can be read",
    12: "our challenge",
    13: "security levels",
    14: "a key generated in hardware",
    15: "hardware that says how the device booted",
    16: "a key for signing, of the kind it is said to be",
    17: "our app, by our signer",
}
"""What each step checks. 18 (versions, patch levels), 19 (user authentication), 20 (device ids, never read) and 21
(what is not proved) judge nothing: their facts go to policy. So do the security levels and the boot state."""

_GENERATED: Final = 0
_ATTEST_KEY: Final = 7
_BOOT_STATES: Final = {
    VerifiedBootState.VERIFIED: "verified",
    VerifiedBootState.SELF_SIGNED: "self-signed",
    VerifiedBootState.UNVERIFIED: "unverified",
    VerifiedBootState.FAILED: "failed",
}

CREATION_TIME: Final = "creation-time-implausible"

NO_SIGNER: Final = "the attestation names no signer"
"""Detail of a refusal: there is no other signer, but none."""
"""Finding: by the device's clock, made before 2015 or in the future: a clock not set, or microseconds given as
milliseconds."""
SIGNER_UNPROVED: Final = "application-signer-unproved"
"""Finding: the operating system could not say who signed the app, and no signer was expected."""
_EARLIEST: Final = 1_420_070_400.0  # 2015, before the first device that attests
_CLOCK_LEAD: Final = 86_400.0


def verify_key_attestation(
    evidence: AndroidKeyAttestation,
    *,
    client_data_hash: bytes,
    reference_values: AndroidReferenceValues,
    endorsements: Endorsements,
    now: float,
    links: LinkCache = LINKS,
) -> Claims:
    """Verify a key attestation and return what it proves.

    ``client_data_hash`` is the challenge the app gave to ``setAttestationChallenge``, verbatim; ``now`` the time of
    receipt in Unix seconds. The caller enrols the key once. A note on any error says at which step it arose.

    Raises :class:`MalformedEvidence`, :class:`RejectedEvidence` or :class:`EndorsementsUnavailable`, the last when
    there is no status list that is recent enough to use.
    """
    step = 1
    try:
        # 1. Bounded, and never sorted: what is judged is what was sent.
        check_limits(evidence.certificate_chain)
        # 2. Readable, by our own tolerant reader.
        step = 2
        certificates = read_chain(evidence.certificate_chain)
        # 8. Not through an attestation key that the app made itself.
        step = 8
        _refuse_attestation_key(certificates)
        # 7. One KeyDescription, in the first certificate.
        step = 7
        extension = _target_extension(certificates)
        # 3 and 4. Signed, from a pinned key downwards.
        step = 4
        path = find_path(certificates, endorsements.android_attestation, links)
        # 5. Names.
        step = 5
        findings = check_names(path)
        # 6. Roles.
        step = 6
        findings += check_roles(path)
        # 7 again, by other means: nothing added below the batch certificate.
        step = 7
        check_shape(path)
        # 9. Dates.
        step = 9
        findings += check_dates(path, now)
        # 10. Revocation, the in-chain root included.
        step = 10
        looked_up = _check_revocation(
            certificates,
            endorsements.fresh_android_status(now),
            len(path.certificates),
            unnamed=2 if path.provisioning is Provisioning.RKP else 0,
        )
        chain = describe_chain(path, findings)
        # 11. What the hardware says.
        step = 11
        described = read_key_description(extension)
        hardware = described.hardware_enforced
        # 12. Over our client data.
        step = 12
        if not compare_digest(described.attestation_challenge, client_data_hash):
            raise RejectedEvidence(Reason.CHALLENGE_MISMATCH, "the attestation challenge binds other client data")
        # 13. Levels go to policy: the lower of the two counts, and StrongBox only where the chain says so too.
        # 14. Made in this hardware.
        step = 14
        if hardware.integer(kd.ORIGIN) != _GENERATED:
            raise RejectedEvidence(Reason.KEY_ORIGIN, f"hardware gives the origin {hardware.integer(kd.ORIGIN)}")
        # 15. Booted somehow, in the hardware's words and not the operating system's.
        step = 15
        root_of_trust = hardware.root_of_trust
        if root_of_trust is None:
            raise RejectedEvidence(Reason.ROOT_OF_TRUST_MISSING, "hardware says nothing about the boot")
        # 16. A key of the right kind, for one app.
        step = 16
        key = _check_key(described, chain.leaf)
        # 17. Our app.
        step = 17
        package = _matching_package(described, reference_values)
    except AttestationError as error:
        error.add_note(f"step {step}, {STEPS[step]}")
        raise
    return _claims(described, root_of_trust, chain, key, package, reference_values, looked_up, now)


def _refuse_attestation_key(certificates: Sequence[Certificate]) -> None:
    """Step 8: chains through a key of purpose ATTEST_KEY are genuine, but the owner of that key chooses which keys it
    vouches for. Named apart from the forgeries of step 7, which look alike."""
    issuer = certificates[1].extensions.get(kd.EXTENSION)
    if issuer is not None and kd.EXTENSION in certificates[0].extensions and _is_attestation_key(issuer.value):
        raise RejectedEvidence(Reason.ATTEST_KEY_CHAIN, "certificate 1 is an attestation key of the app")


def _target_extension(certificates: Sequence[Certificate]) -> bytes:
    """Step 7: the value of the one KeyDescription, which the first certificate must carry.

    Any app can have a KeyStore key genuinely attested and let it sign certificates: one with an invented
    KeyDescription, or a plain one whose key then passes for the attested one. So there is exactly one, and its key is
    the one we return.
    """
    carriers = []
    for index, certificate in enumerate(certificates):
        if kd.EXTENSION in certificate.duplicated:
            raise RejectedEvidence(Reason.KEY_DESCRIPTION_AMBIGUOUS, f"two KeyDescriptions in certificate {index}")
        if kd.EXTENSION in certificate.extensions:
            carriers.append(index)
    if not carriers:
        raise RejectedEvidence(Reason.KEY_DESCRIPTION_MISSING, "no certificate has a KeyDescription")
    if carriers == [0]:
        return certificates[0].extensions[kd.EXTENSION].value
    where = f"KeyDescription in certificate {', '.join(map(str, carriers))}"
    raise RejectedEvidence(
        Reason.KEY_DESCRIPTION_REPEATED if 0 in carriers else Reason.KEY_DESCRIPTION_MISPLACED, where
    )


def _is_attestation_key(extension: bytes) -> bool:
    try:
        return read_key_description(extension).hardware_enforced.purposes == {_ATTEST_KEY}
    except MalformedEvidence:
        return False


class _LookedUp(NamedTuple):
    """What was looked up in the status list, for a renewal to look it up again: serials of certificates, and the serial
    numbers that their subjects have."""

    serials: tuple[int, ...]
    names: tuple[str, ...]


def _check_revocation(
    certificates: Sequence[Certificate], status_list: StatusList, below_root: int, *, unnamed: int
) -> _LookedUp:
    """Step 10. An in-chain root's serial is looked up too but not returned: it is unsigned, so it is no fact about
    the device. Nor is the leaf's subject one, which is the same on every phone. A refusal does not name the serials of
    the first ``unnamed`` certificates, which are one device's own: it is logged."""
    first = 1 if certificates[0].serial.bit_length() < LONG_SERIAL_BITS else 0
    serials = tuple(certificate.serial for certificate in certificates[first:])
    for index, serial in enumerate(serials, first):
        status = status_list.status_of(serial)
        if status is not None:
            which = f"certificate {index}" if index < unnamed else f"certificate {index}, serial {serial:x}"
            raise RejectedEvidence(Reason.CERTIFICATE_REVOKED, f"{which}: {status[:32]}")
    names = []
    for index, certificate in enumerate(certificates[1:below_root], 1):
        for name in subject_serial_numbers(certificate.subject):
            status = status_list.status_of_name(name)
            if status is not None:
                raise RejectedEvidence(
                    Reason.CERTIFICATE_REVOKED, f"certificate {index}, subject {name[:64]}: {status[:32]}"
                )
            names.append(name[:64])
    return _LookedUp(serials[: below_root - first], tuple(dict.fromkeys(names)))


def _check_key(described: KeyDescription, leaf: Certificate) -> SubjectKey:
    hardware = described.hardware_enforced
    if _ATTEST_KEY in hardware.purposes:
        raise RejectedEvidence(Reason.KEY_PURPOSE, "the key may attest other keys")
    if hardware.integer(kd.ALL_APPLICATIONS) or described.software_enforced.integer(kd.ALL_APPLICATIONS):
        raise RejectedEvidence(Reason.KEY_ALL_APPLICATIONS, "every app of the device may use the key")
    key = read_subject_key(leaf.spki)
    check_consistency(key, hardware)
    return key


def _matching_package(described: KeyDescription, expected: AndroidReferenceValues) -> tuple[str, int]:
    """Step 17: one of our packages with its version, and no signer but ours.

    The package name alone proves nothing: a sideloaded app picks its own. An operating system that could not collect
    the signers gives none (seen after a crash of its system server): then the app is unproved.
    """
    application = described.application_id
    if not expected.packages:
        raise RejectedEvidence(Reason.REFERENCE_VALUES_MISSING, "the app is registered without a package")
    if application is None:
        raise RejectedEvidence(Reason.APP_MISMATCH, "the attestation names no application")
    package = next((entry for entry in application.packages if entry[0] in expected.packages), None)
    if package is None:
        raise RejectedEvidence(Reason.APP_MISMATCH, "the key belongs to another application")
    if expected.signing_digests and not application.signature_digests:
        raise RejectedEvidence(Reason.SIGNER_MISMATCH, NO_SIGNER)
    if not all(any(compare_digest(d, e) for e in expected.signing_digests) for d in application.signature_digests):
        raise RejectedEvidence(Reason.SIGNER_MISMATCH, "the application has another signer")
    return package


def _claims(
    described: KeyDescription,
    root_of_trust: RootOfTrust,
    chain: DeviceChain,
    key: SubjectKey,
    package: tuple[str, int],
    expected: AndroidReferenceValues,
    looked_up: _LookedUp,
    now: float,
) -> Claims:
    hardware, application = described.hardware_enforced, described.application_id
    digests = application.signature_digests if application else ()
    findings = dict.fromkeys(chain.findings + described.deviations)
    created = described.software_enforced.integer(kd.CREATION_DATE_TIME)
    if created is None:
        created = hardware.integer(kd.CREATION_DATE_TIME)
    if created is not None and not _EARLIEST <= created / 1000 <= now + _CLOCK_LEAD:
        findings[CREATION_TIME] = None
    if not digests:
        findings[SIGNER_UNPROVED] = None
    boot_hash = root_of_trust.verified_boot_hash
    return Claims(
        seal=Seal.VERIFIED,
        format=FORMAT,
        platform=Platform.ANDROID,
        app_id=package[0],
        public_key=key.public_key,
        key_storage=_key_storage(described, chain),
        environment=Environment.PRODUCTION,
        chain_profile=chain.profile,
        anchor=chain.anchor.digest,
        os_version=_os_version(hardware.integer(kd.OS_VERSION)),
        findings=tuple(findings),
        android=AndroidClaims(
            attestation_version=described.attestation_version,
            keymint_version=described.keymint_version,
            security_level=int(described.attestation_security_level),
            key_security_level=int(described.keymint_security_level),
            strongbox_certified=chain.strongbox,
            provisioning=chain.provisioning.value,
            verified_boot_state=_BOOT_STATES[root_of_trust.verified_boot_state],
            device_locked=root_of_trust.device_locked,
            verified_boot_key=root_of_trust.verified_boot_key.hex(),
            boot_key_listed=root_of_trust.verified_boot_key in expected.verified_boot_keys,
            verified_boot_hash=None if boot_hash is None else boot_hash.hex(),
            os_version=hardware.integer(kd.OS_VERSION),
            os_patch_level=hardware.integer(kd.OS_PATCH_LEVEL),
            vendor_patch_level=hardware.integer(kd.VENDOR_PATCH_LEVEL),
            boot_patch_level=hardware.integer(kd.BOOT_PATCH_LEVEL),
            origin=_GENERATED,
            purposes=tuple(sorted(hardware.purposes)),
            key_algorithm=key.name,
            user_authentication=not hardware.integer(kd.NO_AUTH_REQUIRED),
            packages=tuple(name for name, _ in application.packages) if application else (),
            package_version=package[1],
            signing_digests=tuple(digest.hex() for digest in digests),
            certificates_issued=chain.certificates_issued,
            manufacturer=chain.manufacturer,
            unknown_tags=hardware.unknown_tags + described.software_enforced.unknown_tags,
            chain_serials=tuple(f"{serial:x}" for serial in looked_up.serials),
            chain_names=looked_up.names,
            play_expected=expected.play_expected,
        ),
    )


def _key_storage(described: KeyDescription, chain: DeviceChain) -> KeyStorage:
    """The lower level counts; StrongBox needs the chain's word too, which a leaked TEE keybox cannot give."""
    level = min(described.attestation_security_level, described.keymint_security_level)
    if level is SecurityLevel.SOFTWARE:
        return KeyStorage.SOFTWARE
    return KeyStorage.STRONGBOX if level is SecurityLevel.STRONGBOX and chain.strongbox else KeyStorage.TEE


def _os_version(number: int | None) -> str | None:
    """``130000`` is 13, ``80100`` is 8.1; 0 (pre-production devices) is unknown."""
    if number is None or number <= 0:
        return None
    parts = [number // 10_000, number // 100 % 100, number % 100]
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return ".".join(map(str, parts))
