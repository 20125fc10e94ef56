"""Authenticator data as App Attest writes it: close to WebAuthn's (Level 3 §6.1), with habits of its own.

Attestations carry attested credential data, assertions do not, and both set the AT flag all the same. From iOS 27 on
a CBOR map of extensions may follow, with the ED flag clear (27.0) or set (27.0.1). Every octet is covered by a nonce or
a signature, so a map without its flag can have been written by the device alone.

Apple adds to the map and to the flags as it likes. A member in an undocumented form counts as absent, and a
finding says so: refusing it would shut out every device of a new release, and absent helps no more than unread.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from attestation.encoding.cbor import decode, decode_prefix
from attestation.errors import MalformedEvidence, Reason, RejectedEvidence

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
# Apple's to add and policy's to judge; a number beyond these bits is unread.
_MAX_CATEGORY: Final = 2**32 - 1
_MAX_VERSION: Final = 128

CATEGORY_UNREAD: Final = "apple-validation-category-unread"
"""Finding: the device sent a validation category in another form than those of iOS 27."""
DATA_UNREAD: Final = "apple-authenticator-data-unread"
"""Finding: the bundle version is in another form than that of iOS 27, or there are flags that no document names."""


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
    findings: tuple[str, ...]


def read_attestation_data(data: bytes) -> AuthenticatorData:
    """Read authenticator data with attested credential data and, optionally, one map of extensions behind it.

    Raises :class:`MalformedEvidence`, or :class:`RejectedEvidence` for impossible flags.
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
    if flags & FLAG_EXTENSIONS and not tail:
        raise RejectedEvidence(Reason.FLAGS_INVALID, f"authenticator data with flags {flags:#04x} ends too early")
    extensions = _extensions(tail) if tail else None
    category = _category(extensions)
    version = _bundle_version(extensions)
    sent = extensions or {}
    unread = (
        (CATEGORY_UNREAD, category is None and VALIDATION_CATEGORY in sent),
        (DATA_UNREAD, (version is None and BUNDLE_VERSION in sent) or flags & ~_KNOWN_FLAGS),
    )
    return AuthenticatorData(
        rp_id_hash=data[:32],
        flags=flags,
        counter=int.from_bytes(data[33:_FIXED]),
        credential=credential,
        extensions=extensions,
        validation_category=category,
        bundle_version=version,
        findings=tuple(finding for finding, applies in unread if applies),
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
    extensions = decode(tail, text_keys=False, pass_tags=True)
    if type(extensions) is not dict:
        raise MalformedEvidence(Reason.STRUCTURE_INVALID, "what follows authenticator data is no extension map")
    return {name: value for name, value in extensions.items() if type(name) is str}


def _category(extensions: Mapping[str, object] | None) -> int | None:
    value = (extensions or {}).get(VALIDATION_CATEGORY)
    # Seen as four bytes, least significant first; a plain unsigned integer says the same.
    category = int.from_bytes(value, "little") if type(value) is bytes and len(value) == 4 else value
    return category if type(category) is int and 0 <= category <= _MAX_CATEGORY else None


def _bundle_version(extensions: Mapping[str, object] | None) -> str | None:
    value = (extensions or {}).get(BUNDLE_VERSION)
    return value if type(value) is str and len(value) <= _MAX_VERSION else None
