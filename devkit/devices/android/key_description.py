"""Writes KeyDescriptions as KeyMint does, for every schema version, the wrong ones included.

A writer only; the tags are those of the Android documentation, restated here so that reader and writer can disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from devkit.devices.authority.certificate_template import Extension
from devkit.devices.authority.der_writer import (
    NULL,
    boolean,
    enumerated,
    explicit,
    integer,
    octet_string,
    sequence,
    set_of,
)

OID: Final = "1.3.6.1.4.1.11129.2.1.17"

SOFTWARE, TRUSTED_ENVIRONMENT, STRONGBOX = 0, 1, 2
VERIFIED, SELF_SIGNED, UNVERIFIED, FAILED = 0, 1, 2, 3
GENERATED, IMPORTED, SECURELY_IMPORTED = 0, 2, 4
SIGN, VERIFY, AGREE_KEY, ATTEST_KEY = 2, 3, 6, 7
RSA, EC, ML_DSA = 1, 3, 4


def integers(*members: int) -> bytes:
    """A SET OF INTEGER, in the order given."""
    return set_of(*map(integer, members))


def root_of_trust(
    *,
    key: bytes,
    locked: bool = True,
    state: int = VERIFIED,
    boot_hash: bytes | None = None,
    true: int = 0xFF,
) -> bytes:
    """A RootOfTrust. ``boot_hash`` came with version 3; ``true`` is the octet some devices write for TRUE."""
    parts = [octet_string(key), boolean(locked, true=true), enumerated(state)]
    if boot_hash is not None:
        parts.append(octet_string(boot_hash))
    return sequence(*parts)


def application_id(packages: Iterable[tuple[str, int]], digests: Iterable[bytes]) -> bytes:
    """An AttestationApplicationId in the OCTET STRING that carries it."""
    return octet_string(
        sequence(
            set_of(*(sequence(octet_string(name.encode("utf-8")), integer(version)) for name, version in packages)),
            set_of(*map(octet_string, digests)),
        )
    )


def authorization_list(authorizations: Mapping[int, bytes]) -> bytes:
    """Tag number → DER inside, written in the mapping's order."""
    return sequence(*(explicit(number, inner) for number, inner in authorizations.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDescriptionDraft:
    """A KeyDescription before it is written. The lists map tag numbers to the DER inside, in the order written."""

    attestation_version: int = 300
    attestation_level: int = TRUSTED_ENVIRONMENT
    keymint_version: int = 300
    keymint_level: int = TRUSTED_ENVIRONMENT
    challenge: bytes
    unique_id: bytes = b""
    software: Mapping[int, bytes] = field(default_factory=dict)
    hardware: Mapping[int, bytes] = field(default_factory=dict)

    def encode(self) -> bytes:
        return sequence(
            integer(self.attestation_version),
            enumerated(self.attestation_level),
            integer(self.keymint_version),
            enumerated(self.keymint_level),
            octet_string(self.challenge),
            octet_string(self.unique_id),
            authorization_list(self.software),
            authorization_list(self.hardware),
        )

    def extension(self) -> Extension:
        return Extension(OID, self.encode())

    def with_hardware(self, changes: Mapping[int, bytes | None]) -> KeyDescriptionDraft:
        """The same with other hardware-enforced authorizations; ``None`` leaves one out."""
        return replace(self, hardware=_changed(self.hardware, changes))

    def with_software(self, changes: Mapping[int, bytes | None]) -> KeyDescriptionDraft:
        """The same with other software-enforced authorizations; ``None`` leaves one out."""
        return replace(self, software=_changed(self.software, changes))


def _changed(before: Mapping[int, bytes], changes: Mapping[int, bytes | None]) -> dict[int, bytes]:
    changed = {**before, **{number: inner for number, inner in changes.items() if inner is not None}}
    left_out = {number for number, inner in changes.items() if inner is None}
    return {number: inner for number, inner in changed.items() if number not in left_out}


def usual_hardware(
    *,
    schema: int,
    boot: bytes,
    os_version: int,
    os_patch: int,
    vendor_patch: int | None,
    boot_patch: int | None,
    algorithm: int = EC,
    size: int | None = 256,
    curve: int | None = 1,
) -> dict[int, bytes]:
    """What hardware says of an ordinary signing key, tags in order."""
    authorizations: dict[int, bytes | None] = {
        1: integers(SIGN, VERIFY),
        2: integer(algorithm),
        3: None if size is None else integer(size),
        5: integers(4),
        10: None if curve is None else integer(curve),
        503: NULL,
        702: integer(GENERATED),
        703: NULL if schema < 3 else None,
        704: boot,
        705: integer(os_version),
        706: integer(os_patch),
        718: None if schema < 3 or vendor_patch is None else integer(vendor_patch),
        719: None if schema < 3 or boot_patch is None else integer(boot_patch),
    }
    return {number: inner for number, inner in authorizations.items() if inner is not None}
