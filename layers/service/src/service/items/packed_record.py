"""Records packed into an attribute: JSON, compressed with words that writer and reader both know.

DynamoDB charges a write by the size of the whole row, in kilobytes. A key's claims are a kilobyte of JSON, most of it
names that every row repeats. Packed, they are a quarter of that, for 15 µs of writing and 4 µs of reading.

The first byte says which words were used. Words are never changed, only added to under another number: rows outlive
releases.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

from service.errors import Unreadable

_WINDOW: Final = 13  # 8 KB, more than the words and any record have
_MEMORY: Final = 5
_LARGEST: Final = 64 * 1024
"""Bytes of a record's JSON, at most. Claims have a few thousand; what unpacks to more is damaged."""

# The likelier, the further back: a match nearby takes fewer bits (RFC 1950 §2.2, RFC 1951 §3.2.5).
_WORDS_1: Final = (
    '"at":17,"revision":1,"signals":{"hooking":"debugger":"emulator":"root":"details":{"claims":{'
    '"risk_metric":,"full_security":true,"validation_category":4,"bundle_version":"","os_build":"'
    '"unread":[],"testing":false,"location_spoofing":[],"apps_detected":["KNOWN_INSTALLED","UNKNOWN_INSTALLED",'
    '"KNOWN_CAPTURING","UNKNOWN_CAPTURING","KNOWN_OVERLAYS","UNKNOWN_OVERLAYS","KNOWN_CONTROLLING",'
    '"UNKNOWN_CONTROLLING"],"play_protect":"NO_ISSUES","licensing":"LICENSED","device_activity":"LEVEL_1",'
    '"sdk_version":,"device_labels":["MEETS_BASIC_INTEGRITY","MEETS_DEVICE_INTEGRITY","MEETS_STRONG_INTEGRITY"],'
    '"signing_digests":["","version_code":,"package":"com.","app_recognition":"PLAY_RECOGNIZED",'
    '"requested_by":"com.","requested_at":17,"play":{"token":"classic"standard"play_skipped":"quota"unavailable"'
    '"signer_is_ca":false,"unread":[],"advice":"","version":1,"app_id":"","bundle_name":"com.","details":[],'
    '"basic_integrity":true,"checked_at":17,"integrity":{"profile":"next"enhanced"hms","simulator":false,'
    '"boot_state":"not-proved","claim_levels":{"application":2,"challenge":0,"key-origin":3,"model":2,'
    '"key-manager":3},"device_security_level":,"model":"","key_purposes":,"key_manager_level":3,'
    '"key_origin_level":3,"key_origin":"generated","app_mode":"debug"release","app_identifier":"",'
    '"harmony":{"kind":"non-anonymous"anonymous","manufacturer":"","certificates_issued":1,'
    '{"format":"harmony-key-attestation","platform":"harmony","app_id":"com.","key_storage":"tee",'
    '"environment":"development"production","chain_profile":"strict","anchor":"'
    "67119137297f22d7e7084ab03e3fe5b31ff684f8afa43c18b1dc6f5023122d20"
    '"findings":["leaf-outside-its-dates","ber-boolean-true"],'
    '{"format":"key-signature","apple-app-attest-assertion","platform":"macos"ios","app_id":".com.",'
    '"key_storage":"secure-enclave","environment":"production","chain_profile":"attested-key"strict","anchor":"'
    '1ae751fd29896d0f1f13fe226c063f445d40d8938acc6245c251ecc0679330bd","counter":0,"os_version":"1","findings":[],'
    '"apple":{"receipt_verified":true"receipt_verified":false}}'
    '{"format":"android-key-attestation","platform":"android","app_id":"com.","key_storage":"software"strongbox"tee",'
    '"environment":"production","chain_profile":"factory"strict","anchor":"","os_version":"1","findings":[],'
    '"android":{"attestation_version":300,"keymint_version":300,"security_level":1,"key_security_level":1,'
    '"strongbox_certified":true"strongbox_certified":false,"provisioning":"unknown"rkp"factory",'
    '"verified_boot_state":"self-signed"unverified"failed"verified","device_locked":true,"verified_boot_key":"",'
    '"boot_key_listed":false,"verified_boot_hash":"","os_version":130000,"os_patch_level":202,'
    '"vendor_patch_level":202,"boot_patch_level":202,"origin":0,"purposes":[2],"key_algorithm":"ec-p256",'
    '"user_authentication":false,"packages":["com."],"package_version":1,"signing_digests":[""],"unknown_tags":[],'
    '"chain_serials":["",""],"chain_names":["",""],"play_expected":false}}'
).encode("ascii")
_WORDS: Final = {1: _WORDS_1}
_NEWEST: Final = max(_WORDS)


def pack(record: Mapping[str, object]) -> bytes:
    """``record``, JSON-ready, as few bytes."""
    packer = zlib.compressobj(6, zlib.DEFLATED, _WINDOW, _MEMORY, zlib.Z_DEFAULT_STRATEGY, _WORDS[_NEWEST])
    return bytes([_NEWEST]) + packer.compress(text_of(record).encode("ascii")) + packer.flush()


def unpack(stored: str | bytes) -> dict[str, Any]:
    """The record in an attribute: packed, or the JSON text of older releases.

    Raises :class:`~service.errors.Unreadable` for anything else.
    """
    try:
        record = json.loads(stored if isinstance(stored, str) else _unpacked(stored))
    except (ValueError, KeyError, IndexError, zlib.error) as error:
        raise Unreadable("a packed record cannot be read") from error
    if not isinstance(record, dict):
        raise Unreadable("a packed record is none")
    return record


def text_of(record: Mapping[str, object]) -> str:
    """The JSON text of a record, as older releases store it."""
    return json.dumps(record, separators=(",", ":"))


def _unpacked(stored: bytes) -> bytes:
    unpacker = zlib.decompressobj(_WINDOW, _WORDS[stored[0]])
    text = unpacker.decompress(stored[1:], _LARGEST)
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("too long, too short, or followed by something")
    return text
