"""Apple's code signatures: that an executable and what it seals are unchanged, by whom it says it was signed.

The embedded signature is a list of blobs: code directories (digests of the executable's pages and, in special slots,
of Info.plist, entitlements and the sealed resources), the entitlements, and CMS over the first directory. Layout as in
Apple's published headers (``cs_blobs.h``). That Apple issued the certificate is not checked here.
"""

from __future__ import annotations

import hashlib
import plistlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from xml.parsers.expat import ExpatError

from attestation.encoding.certificate import Certificate

from bonafide.artefacts.signed_data import SignatureBroken, read_signed_data

INFO_PLIST: Final = 1
REQUIREMENTS: Final = 2
RESOURCES: Final = 3
ENTITLEMENTS: Final = 5
DER_ENTITLEMENTS: Final = 7

_SUPER_BLOB: Final = 0xFADE0CC0
_CODE_DIRECTORY: Final = 0xFADE0C02
_ENTITLEMENTS_BLOB: Final = 0xFADE7171
_CMS_BLOB: Final = 0xFADE0B01
_DIRECTORY_SLOTS: Final = (0, *range(0x1000, 0x1005))
_CMS_SLOT: Final = 0x10000
_MAX_BLOBS: Final = 32
_BLOB_HEAD: Final = 8  # magic and length
_MAX_SLOTS: Final = 32
_HASHES: Final = {1: ("sha1", 20), 2: ("sha256", 32), 3: ("sha256", 20), 4: ("sha384", 48)}

_DIRECTORY: Final = struct.Struct(">9L4BL")
_WITH_TEAM: Final = 0x20200


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeDirectory:
    """Digests of the executable's pages, and in special slots of what lies beside it. ``limit`` is in bytes."""

    blob: bytes
    digest: str
    size: int
    identifier: str
    team: str | None
    special: Mapping[int, bytes]
    pages: tuple[bytes, ...]
    page_size: int
    limit: int

    @property
    def cdhash(self) -> bytes:
        """The directory's digest as other signatures seal it: 20 bytes."""
        return hashlib.new(self.digest, self.blob, usedforsecurity=False).digest()[:20]

    def matches(self, digest: bytes, content: bytes) -> bool:
        return hashlib.new(self.digest, content, usedforsecurity=False).digest()[: self.size] == digest

    def covers(self, code: bytes) -> bool:
        """Whether every page of ``code`` is as it was signed."""
        starts = range(0, len(code), self.page_size)
        return (
            self.limit == len(code)
            and len(starts) == len(self.pages)
            and all(
                self.matches(page, code[start : start + self.page_size])
                for start, page in zip(starts, self.pages, strict=True)
            )
        )

    def seals(self, slot: int, content: bytes | None) -> bool:
        """Whether ``content`` is what the slot seals; nothing sealed and no content agree."""
        sealed = self.special.get(slot)
        if content is None or sealed is None:
            return content is None and sealed is None
        return self.matches(sealed, content)


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeSignature:
    """What a sound code signature says. ``team`` is the signed team id, ``signer`` the leaf certificate."""

    identifier: str
    team: str | None
    entitlements: Mapping[str, object]
    signer: Certificate


def verify_code_signature(
    signature: bytes, code: bytes, *, info_plist: bytes | None, resources: bytes | None
) -> CodeSignature:
    """Verify the embedded ``signature`` of the slice ``code`` and what it seals beside it.

    Raises :class:`SignatureBroken`: something is not what was signed, or the signature cannot be read.
    """
    directories = check_seals(signature, code, info_plist=info_plist, resources=resources)
    try:
        blobs = _blobs(signature)
        entitlements = blobs.get(ENTITLEMENTS)
        cms = blobs.get(_CMS_SLOT, b"")
        if len(cms) <= _BLOB_HEAD or cms[:4] != _CMS_BLOB.to_bytes(4, "big"):
            raise SignatureBroken("it is signed ad hoc, without a certificate")
        # CMS signs the first directory; the others were held against the same content above.
        (signer,) = read_signed_data(cms[_BLOB_HEAD:]).verified_signers(directories[0].blob)
        return CodeSignature(
            identifier=directories[0].identifier,
            team=directories[0].team,
            entitlements=_entitlements(entitlements),
            signer=signer,
        )
    except (struct.error, ValueError, IndexError) as error:
        raise SignatureBroken("its signature cannot be read") from error


def check_seals(
    signature: bytes, code: bytes, *, info_plist: bytes | None, resources: bytes | None
) -> list[CodeDirectory]:
    """The code directories of ``signature``, each of which must cover ``code`` and seal what lies beside it; who made
    the signature is not asked. Raises :class:`SignatureBroken`."""
    directories = check_code(signature, code)
    try:
        blobs = _blobs(signature)
    except (struct.error, ValueError, IndexError) as error:
        raise SignatureBroken("its signature cannot be read") from error
    sealed = [(INFO_PLIST, info_plist), (RESOURCES, resources)]
    sealed += [(slot, blobs.get(slot)) for slot in (REQUIREMENTS, ENTITLEMENTS, DER_ENTITLEMENTS)]
    if not all(directory.seals(slot, content) for directory in directories for slot, content in sealed):
        raise SignatureBroken("what its signature seals was changed after it was signed")
    # Each system takes the directory with the best digest it knows, and CMS signs the first alone.
    if len({(directory.identifier, directory.team) for directory in directories}) != 1:
        raise SignatureBroken("its code directories speak of different apps")
    return directories


def check_code(signature: bytes, code: bytes) -> list[CodeDirectory]:
    """The code directories of ``signature``, each of which must cover ``code``. Raises :class:`SignatureBroken`."""
    try:
        blobs = _blobs(signature)
        directories = [_code_directory(blobs[slot]) for slot in _DIRECTORY_SLOTS if slot in blobs]
    except (struct.error, ValueError, IndexError) as error:
        raise SignatureBroken("it has no signature that can be read") from error
    if not directories:
        raise SignatureBroken("it has no signature that can be read")
    if not all(directory.covers(code) for directory in directories):
        raise SignatureBroken("its code was changed after it was signed")
    return directories


def _blobs(signature: bytes) -> dict[int, bytes]:
    magic, length, count = struct.unpack_from(">3L", signature)
    if magic != _SUPER_BLOB or length > len(signature) or count > _MAX_BLOBS:
        raise ValueError
    blobs: dict[int, bytes] = {}
    for index in range(count):
        slot, offset = struct.unpack_from(">2L", signature, 12 + 8 * index)
        size = struct.unpack_from(">L", signature, offset + 4)[0]
        if slot in blobs or offset + size > length or size < 8:
            raise ValueError
        blobs[slot] = signature[offset : offset + size]
    return blobs


def _code_directory(blob: bytes) -> CodeDirectory:
    (magic, _, version, _, hashes_at, identifier_at, special_count, page_count, limit) = _DIRECTORY.unpack_from(blob)[
        :9
    ]
    size, kind, _, page_bits = _DIRECTORY.unpack_from(blob)[9:13]
    if magic != _CODE_DIRECTORY or _HASHES.get(kind, ("", 0))[1] != size or special_count > _MAX_SLOTS:
        raise ValueError
    if not 12 <= page_bits <= 16:
        raise ValueError
    first = hashes_at - special_count * size
    if first < _DIRECTORY.size or hashes_at + page_count * size > len(blob):
        raise ValueError
    special = {
        slot: value
        for slot in range(1, special_count + 1)
        if any(value := blob[hashes_at - slot * size : hashes_at - (slot - 1) * size])
    }
    team = None
    if version >= _WITH_TEAM:
        team_at = struct.unpack_from(">L", blob, _DIRECTORY.size + 4)[0]
        team = _text(blob, team_at) if team_at else None
    return CodeDirectory(
        blob=blob,
        digest=_HASHES[kind][0],
        size=size,
        identifier=_text(blob, identifier_at),
        team=team,
        special=special,
        pages=tuple(blob[hashes_at + index * size : hashes_at + (index + 1) * size] for index in range(page_count)),
        page_size=1 << page_bits,
        limit=limit,
    )


def _text(blob: bytes, offset: int) -> str:
    return blob[offset : blob.index(b"\0", offset)].decode("utf-8")


def _entitlements(blob: bytes | None) -> Mapping[str, object]:
    if blob is None:
        return {}
    if blob[:4] != _ENTITLEMENTS_BLOB.to_bytes(4, "big"):
        raise ValueError
    try:
        entitlements = plistlib.loads(blob[8:], fmt=plistlib.FMT_XML)
    except (ExpatError, plistlib.InvalidFileException, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError from error
    if not isinstance(entitlements, dict):
        raise ValueError("entitlements are no dictionary")  # noqa: TRY004
    return entitlements
