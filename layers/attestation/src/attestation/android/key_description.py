"""KeyDescription: what an Android device's KeyMint says about a key, in an extension of the key's certificate.

Source: https://source.android.com/docs/security/features/keystore/attestation#schema. All schema versions, 1 to 500
and later: versions are free numbers, tags that this reader does not know are kept as they are, whatever is in them.

Lenient where genuine devices need it, and it says where it was (:attr:`KeyDescription.deviations`): members of a SET in
any order (Huawei), TRUE written as ``01`` (Pixel 3), tags of a list in any order. Exact everywhere else: the eight
fields and their types, one element to a tag, no tag twice, nothing behind the end, integers of at most eight octets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, unique
from typing import Final

from attestation.encoding import der
from attestation.errors import MalformedEvidence, Reason

EXTENSION: Final = "1.3.6.1.4.1.11129.2.1.17"
MAX_KEY_DESCRIPTION_BYTES: Final = 8 * 1024
_MAX_PACKAGES: Final = 256  # a shared user id of the system has thirteen
_MAX_DIGESTS: Final = 64
_INTEGER_OCTETS: Final = 9  # 64 bits and a sign
_VERSION_OCTETS: Final = 4


@unique
class SecurityLevel(IntEnum):
    """Where a key, or the software that attests it, lives."""

    SOFTWARE = 0
    TRUSTED_ENVIRONMENT = 1
    STRONGBOX = 2


@unique
class VerifiedBootState(IntEnum):
    """How the device booted: ``SELF_SIGNED`` is an operating system signed by a key that the owner installed."""

    VERIFIED = 0
    SELF_SIGNED = 1
    UNVERIFIED = 2
    FAILED = 3


@dataclass(frozen=True, slots=True)
class RootOfTrust:
    """How the device booted. ``verified_boot_hash`` came with schema version 3; the key may be empty when unlocked."""

    verified_boot_key: bytes
    device_locked: bool
    verified_boot_state: VerifiedBootState
    verified_boot_hash: bytes | None


@dataclass(frozen=True, slots=True)
class ApplicationId:
    """Which app may use the key, as the operating system says: packages with version codes, digests of its signers.

    Apps that share a user id appear together. ``signature_digests`` (SHA-256) are empty when the system could not tell.
    """

    packages: tuple[tuple[str, int], ...]
    signature_digests: tuple[bytes, ...]


# The AuthorizationList's tags, by what they hold.
PURPOSE: Final = 1
ALGORITHM: Final = 2
KEY_SIZE: Final = 3
EC_CURVE: Final = 10
ALL_APPLICATIONS: Final = 600
CREATION_DATE_TIME: Final = 701
ORIGIN: Final = 702
ROOT_OF_TRUST: Final = 704
OS_VERSION: Final = 705
OS_PATCH_LEVEL: Final = 706
APPLICATION_ID: Final = 709
DEVICE: Final = 711
MODEL: Final = 717
VENDOR_PATCH_LEVEL: Final = 718
BOOT_PATCH_LEVEL: Final = 719
NO_AUTH_REQUIRED: Final = 503

_KIND: Final = {
    **dict.fromkeys((1, 4, 5, 6, 203), der.SET),
    **dict.fromkeys(
        (2, 3, 8, 10, 11, 200, 400, 401, 402, 405, 502, 504, 505, 701, 702, 705, 706, 718, 719), der.INTEGER
    ),
    **dict.fromkeys((7, 303, 305, 503, 506, 507, 508, 509, 600, 703, 720), der.NULL),
    **dict.fromkeys((601, 709, 710, 711, 712, 713, 714, 715, 716, 717, 723, 724), der.OCTET_STRING),
    ROOT_OF_TRUST: der.SEQUENCE,
}

Value = int | bool | bytes | frozenset[int] | RootOfTrust


@dataclass(frozen=True, slots=True)
class AuthorizationList:
    """One list of authorizations, by tag number. NULL is ``True``; an unknown tag's octets are kept."""

    values: Mapping[int, Value]

    def integer(self, tag: int) -> int | None:
        """The INTEGER of that tag, ``None`` when absent."""
        value = self.values.get(tag)
        return value if isinstance(value, int) else None

    @property
    def purposes(self) -> frozenset[int]:
        """What the key may do: 2 sign, 3 verify, 7 attest other keys … Empty when absent."""
        value = self.values.get(PURPOSE)
        return value if isinstance(value, frozenset) else frozenset()

    @property
    def root_of_trust(self) -> RootOfTrust | None:
        """How the device booted, if this list says so."""
        value = self.values.get(ROOT_OF_TRUST)
        return value if isinstance(value, RootOfTrust) else None

    @property
    def unknown_tags(self) -> tuple[int, ...]:
        """Tags that came with a schema newer than this reader."""
        return tuple(tag for tag in self.values if tag not in _KIND)


@dataclass(frozen=True, slots=True)
class KeyDescription:
    """The whole extension.

    ``hardware_enforced`` is vouched for by the secure hardware; ``software_enforced`` by the operating system alone, so
    it counts for nothing unless the device booted a trusted one. ``application_id`` is read from whichever list has it.
    """

    attestation_version: int
    attestation_security_level: SecurityLevel
    keymint_version: int
    keymint_security_level: SecurityLevel
    attestation_challenge: bytes
    unique_id: bytes
    software_enforced: AuthorizationList
    hardware_enforced: AuthorizationList
    application_id: ApplicationId | None
    deviations: tuple[str, ...]


UNSORTED_SET: Final = "der-set-unsorted"
UNSORTED_TAGS: Final = "der-tags-unsorted"
BER_TRUE: Final = "ber-boolean-true"
CONTRADICTED: Final = "application-id-contradicted"
"""Both lists name an application, and not the same one. Genuine devices name it in one list."""

_FIELDS: Final = (
    der.INTEGER,
    der.ENUMERATED,
    der.INTEGER,
    der.ENUMERATED,
    der.OCTET_STRING,
    der.OCTET_STRING,
    der.SEQUENCE,
    der.SEQUENCE,
)


def read_key_description(data: bytes) -> KeyDescription:
    """Read the value of the extension. Raises :class:`MalformedEvidence`."""
    if len(data) > MAX_KEY_DESCRIPTION_BYTES:
        raise MalformedEvidence(Reason.EVIDENCE_TOO_LARGE, f"KeyDescription of {len(data)} bytes")
    outer = der.elements(data, 0, len(data))
    if len(outer) != 1 or outer[0][0] != der.SEQUENCE:
        raise _structure("KeyDescription is not one SEQUENCE")
    fields = der.elements(data, outer[0][1], outer[0][2])
    if tuple([field[0] for field in fields]) != _FIELDS:
        raise _structure("KeyDescription has not the eight documented fields")
    deviations: dict[str, None] = {}
    software = _authorizations(data, fields[6][1], fields[6][2], deviations)
    hardware = _authorizations(data, fields[7][1], fields[7][2], deviations)
    application_id = software.get(APPLICATION_ID, hardware.get(APPLICATION_ID))
    if hardware.get(APPLICATION_ID, application_id) != application_id:
        deviations[CONTRADICTED] = None
    return KeyDescription(
        der.integer_at(data, fields[0][1], fields[0][2], max_octets=_VERSION_OCTETS),
        _security_level(data, fields[1][1], fields[1][2]),
        der.integer_at(data, fields[2][1], fields[2][2], max_octets=_VERSION_OCTETS),
        _security_level(data, fields[3][1], fields[3][2]),
        data[fields[4][1] : fields[4][2]],
        data[fields[5][1] : fields[5][2]],
        AuthorizationList(software),
        AuthorizationList(hardware),
        read_application_id(application_id) if isinstance(application_id, bytes) else None,
        tuple(deviations),
    )


def _structure(detail: str) -> MalformedEvidence:
    return MalformedEvidence(Reason.STRUCTURE_INVALID, detail)


def _authorizations(data: bytes, start: int, stop: int, deviations: dict[str, None]) -> dict[int, Value]:
    values: dict[int, Value] = {}
    last = 0
    for number, tag, begin, end in der.explicit_elements(data, start, stop, known=_KIND):
        if number in values:
            raise _structure(f"authorization [{number}] twice in one list")
        if number < last:
            deviations[UNSORTED_TAGS] = None
        last = number
        kind = _KIND.get(number)
        if kind is None:
            values[number] = data[begin:end]
        elif tag != kind:
            raise _structure(f"authorization [{number}] holds tag {tag:#x}")
        elif kind == der.INTEGER:
            values[number] = der.integer_at(data, begin, end, max_octets=_INTEGER_OCTETS)
        elif kind == der.OCTET_STRING:
            values[number] = data[begin:end]
        elif kind == der.NULL:
            if begin != end:
                raise _structure(f"authorization [{number}] is a NULL with content")
            values[number] = True
        elif kind == der.SET:
            values[number] = _integers(data, begin, end, deviations)
        else:
            values[number] = _root_of_trust(data, begin, end, deviations)
    return values


def _integers(data: bytes, start: int, stop: int, deviations: dict[str, None]) -> frozenset[int]:
    members = []
    for tag, begin, end in der.elements(data, start, stop):
        if tag != der.INTEGER:
            raise _structure("a SET OF INTEGER holds something else")
        members.append(der.integer_at(data, begin, end, max_octets=_INTEGER_OCTETS))
    if len(members) > 1 and members != sorted(members):
        deviations[UNSORTED_SET] = None
    return frozenset(members)


_BOOT_STATES: Final = tuple(VerifiedBootState)
_LEVELS: Final = tuple(SecurityLevel)
_ROOT_OF_TRUST_FIELDS: Final = [der.OCTET_STRING, der.BOOLEAN, der.ENUMERATED, der.OCTET_STRING]


def _root_of_trust(data: bytes, start: int, stop: int, deviations: dict[str, None]) -> RootOfTrust:
    fields = der.elements(data, start, stop)
    if len(fields) < 3 or [field[0] for field in fields] != _ROOT_OF_TRUST_FIELDS[: len(fields)]:
        raise _structure("rootOfTrust has not the documented fields")
    locked = data[fields[1][1] : fields[1][2]]
    if locked not in (b"\x00", b"\xff"):
        deviations[BER_TRUE] = None
    state = der.integer_at(data, fields[2][1], fields[2][2])
    if not 0 <= state < len(_BOOT_STATES):
        raise _structure(f"verified boot state {state} is not known")
    return RootOfTrust(
        data[fields[0][1] : fields[0][2]],
        der.boolean(locked, strict=False),
        _BOOT_STATES[state],
        data[fields[3][1] : fields[3][2]] if len(fields) > 3 else None,
    )


def _security_level(data: bytes, start: int, stop: int) -> SecurityLevel:
    level = der.integer_at(data, start, stop)
    if not 0 <= level < len(_LEVELS):
        raise _structure(f"security level {level} is not known")
    return _LEVELS[level]


def read_application_id(data: bytes) -> ApplicationId:
    """Read an AttestationApplicationId, the DER inside [709]. Raises :class:`MalformedEvidence`."""
    outer = der.elements(data, 0, len(data))
    if len(outer) != 1 or outer[0][0] != der.SEQUENCE:
        raise _structure("AttestationApplicationId is not one SEQUENCE")
    sets = der.elements(data, outer[0][1], outer[0][2])
    if [field[0] for field in sets] != [der.SET, der.SET]:
        raise _structure("AttestationApplicationId is not two SETs")
    packages = []
    for tag, begin, end in der.elements(data, sets[0][1], sets[0][2]):
        fields = der.elements(data, begin, end) if tag == der.SEQUENCE else []
        if [field[0] for field in fields] != [der.OCTET_STRING, der.INTEGER]:
            raise _structure("a package info is not a name and a version")
        name = der.text(data[fields[0][1] : fields[0][2]])
        packages.append((name, der.integer(data[fields[1][1] : fields[1][2]], max_octets=_INTEGER_OCTETS)))
    digests = []
    for tag, begin, end in der.elements(data, sets[1][1], sets[1][2]):
        if tag != der.OCTET_STRING or end - begin != 32:
            raise _structure("a signature digest is not SHA-256")
        digests.append(data[begin:end])
    if len(packages) > _MAX_PACKAGES or len(digests) > _MAX_DIGESTS:
        raise _structure("AttestationApplicationId has too many members")
    return ApplicationId(tuple(packages), tuple(digests))
