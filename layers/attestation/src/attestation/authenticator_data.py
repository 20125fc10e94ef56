"""Authenticator data as App Attest writes it: close to WebAuthn's (Level 3 §6.1), with habits of its own.

Attestations carry attested credential data, assertions do not, and both set the AT flag all the same. From iOS 27 on
a CBOR map of extensions may follow, with the ED flag clear. Every octet is covered by a nonce or a signature, so a
map without its flag can have been written by the device alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from .cbor import decode, decode_prefix
from .errors import MalformedEvidence, Reason, RejectedEvidence

FLAG_ATTESTED: Final = 0x40
FLAG_EXTENSIONS: Final = 0x80
_KNOWN_FLAGS: Final = FLAG_ATTESTED | FLAG_EXTENSIONS
_FIXED: Final = 37  # rpIdHash 32, flags 1, counter 4
_CREDENTIAL: Final = 55  # the fixed part, aaguid 16, length of the credential id 2
_CREDENTIAL_ID: Final = 32
_MAX_BYTES: Final = 4096

_COSE_KEY: Final = {1: 2, 3: -7, -1: 1}  # kty EC2, alg ES256, crv P-256 (RFC 9053 §2.1, §7.1.1)
_COSE_X: Final = bytes.fromhex("a5010203262001215820")  # a map of five, up to the x coordinate
_COSE_Y: Final = bytes.fromhex("225820")
_COSE_BYTES: Final = 77

VALIDATION_CATEGORY: Final = "apple_validation_category_01"
BUNDLE_VERSION: Final = "apple_bundle_version_01"
# 1 platform, 2 TestFlight, 3 development, 4 App Store, 5 enterprise or ad hoc, 6 Developer ID, 10 none. Others are
# Apple's to add and policy's to judge; a number beyond these bits is none.
_MAX_CATEGORY: Final = 2**32 - 1
_MAX_VERSION: Final = 128


class AttestedCredential(NamedTuple):
    """Attested credential data: the environment's AAGUID, the key id, and the key as uncompressed point."""

    aaguid: bytes
    credential_id: bytes
    public_key: bytes


class AuthenticatorData(NamedTuple):
    """Parsed authenticator data.

    ``counter`` is unsigned. ``credential`` is ``None`` in assertions. ``extensions`` is ``None`` when the device sent
    none, which is not the same as an empty map; unknown extensions are kept. ``validation_category`` and
    ``bundle_version`` are the two that iOS 27 sends.
    """

    rp_id_hash: bytes
    flags: int
    counter: int
    credential: AttestedCredential | None
    extensions: Mapping[str, object] | None
    validation_category: int | None
    bundle_version: str | None


def read_attestation_data(data: bytes) -> AuthenticatorData:
    """Read authenticator data with attested credential data and, optionally, one map of extensions behind it.

    Raises :class:`MalformedEvidence`, or :class:`RejectedEvidence` for impossible flags or category.
    """
    _check_size(data, _CREDENTIAL)
    if not data[32] & FLAG_ATTESTED:
        raise RejectedEvidence(Reason.FLAGS_INVALID, "an attestation without the attested-data flag")
    if int.from_bytes(data[53:55]) != _CREDENTIAL_ID:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "the credential id has not 32 bytes")
    key_start = _CREDENTIAL + _CREDENTIAL_ID
    public_key, length = _read_key(data[key_start:])
    credential = AttestedCredential(data[37:53], data[_CREDENTIAL:key_start], public_key)
    return _read(data, credential, data[key_start + length :])


def read_assertion_data(data: bytes) -> AuthenticatorData:
    """Read authenticator data without attested credential data, whatever its AT flag says.

    Raises as :func:`read_attestation_data`.
    """
    _check_size(data, _FIXED)
    return _read(data, None, data[_FIXED:])


def _check_size(data: bytes, least: int) -> None:
    if len(data) > _MAX_BYTES:
        raise MalformedEvidence(Reason.EVIDENCE_TOO_LARGE, f"authenticator data of {len(data)} bytes")
    if len(data) < least:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, f"authenticator data of {len(data)} bytes is cut off")


def _read(data: bytes, credential: AttestedCredential | None, tail: bytes) -> AuthenticatorData:
    flags = data[32]
    if flags & ~_KNOWN_FLAGS or (flags & FLAG_EXTENSIONS and not tail):
        raise RejectedEvidence(Reason.FLAGS_INVALID, f"authenticator data with flags {flags:#04x}")
    extensions = _extensions(tail) if tail else None
    return AuthenticatorData(
        rp_id_hash=data[:32],
        flags=flags,
        counter=int.from_bytes(data[33:_FIXED]),
        credential=credential,
        extensions=extensions,
        validation_category=_category(extensions),
        bundle_version=_bundle_version(extensions),
    )


def _read_key(data: bytes) -> tuple[bytes, int]:
    """The uncompressed point of the COSE key that ``data`` begins with, and how many octets it took."""
    # Apple's one spelling needs no decoder; any other is read as CBOR, with the same result.
    if data[:10] == _COSE_X and data[42:45] == _COSE_Y and len(data) >= _COSE_BYTES:
        return b"\x04" + data[10:42] + data[45:_COSE_BYTES], _COSE_BYTES
    cose_key, length = decode_prefix(data, text_keys=False)
    return _point(cose_key), length


def _point(cose_key: object) -> bytes:
    if type(cose_key) is dict and len(cose_key) == 5 and all(type(label) is int for label in cose_key):
        x, y = cose_key.pop(-2, None), cose_key.pop(-3, None)
        if type(x) is type(y) is bytes and len(x) == len(y) == 32 and cose_key == _COSE_KEY:
            return b"\x04" + x + y
    raise MalformedEvidence(Reason.KEY_UNREADABLE, "the credential key is not a P-256 COSE key for ES256")


def _extensions(tail: bytes) -> Mapping[str, object]:
    extensions = decode(tail)
    if type(extensions) is not dict or not all(type(name) is str for name in extensions):
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "what follows authenticator data is no extension map")
    return extensions


def _category(extensions: Mapping[str, object] | None) -> int | None:
    if extensions is None or VALIDATION_CATEGORY not in extensions:
        return None
    value = extensions[VALIDATION_CATEGORY]
    # Seen as four bytes, least significant first; a plain unsigned integer says the same.
    category = int.from_bytes(value, "little") if type(value) is bytes and len(value) == 4 else value
    if type(category) is not int or not 0 <= category <= _MAX_CATEGORY:
        raise RejectedEvidence(Reason.CATEGORY_INVALID, "the validation category is no unsigned number")
    return category


def _bundle_version(extensions: Mapping[str, object] | None) -> str | None:
    if extensions is None or BUNDLE_VERSION not in extensions:
        return None
    value = extensions[BUNDLE_VERSION]
    if type(value) is not str or len(value) > _MAX_VERSION:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "the bundle version is no short text")
    return value
