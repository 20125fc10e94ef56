"""HarmonyOS packages for tests: a module, and a signing block with signature and profile, open to change."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .minted_archive import Identity, sections, with_block, zipped
from .minted_ipa import Bend, cms, unchanged

BUNDLE: Final = "org.example.demo"


def _named(unit: str, name: str) -> x509.Name:
    attributes = (
        (NameOID.COUNTRY_NAME, "CN"),
        (NameOID.ORGANIZATION_NAME, "Huawei"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
        (NameOID.COMMON_NAME, name),
    )
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


def profile_signer(
    name: str = "HOS Profile Management",
    *,
    unit: str = "HOS AppGallery",
    issuer_name: str = "Huawei CBG Software Signing Service CA",
    ca: bool = True,
    root: Identity | None = None,
) -> Identity:
    """A signer of profiles below ``ROOT``, as AppGallery's."""
    issuer = Identity("", subject=_named("Huawei CBG", issuer_name), issuer=root or ROOT, ca=ca)
    return Identity("", subject=_named(unit, name), issuer=issuer)


ROOT: Final = Identity("", subject=_named("Huawei CBG", "Huawei CBG Root CA G2"), ca=True)
PROFILE_SIGNER: Final = profile_signer()
DEBUG_PROFILE_SIGNER: Final = profile_signer("HOS Profile Management Debug")
DEVELOPER: Final = Identity("Example,Release")
STRANGER: Final = Identity("Stranger,Release")
P384: Final = Identity("Example on P-384", key=ec.generate_private_key(ec.SECP384R1()))
SIGNATURE, PROPERTY, PROFILE = 0x20000000, 0x20000003, 0x20000002
ECDSA_SHA256, ECDSA_SHA384 = 0x201, 0x202


def signing_block(
    sub_blocks: Mapping[int, bytes] | list[tuple[int, bytes]], *, old: bool = False, gap: bytes = b""
) -> bytes:
    """A signing block with these sub-blocks, behind a ``gap`` that belongs to none."""
    pairs = list(sub_blocks.items() if isinstance(sub_blocks, Mapping) else sub_blocks)
    start, table, content = 12 * len(pairs), b"", gap
    for number, value in pairs:
        table += struct.pack("<3L", number, len(value), start + len(content))
        content += value
    size = len(table) + len(content) + 32
    magic = b"HAP Sig Block 42" if old else b"<hap sign block>"
    return table + content + struct.pack("<LQ16sL", len(pairs), size, magic, 2 if old else 3)


def content_digest(archive: bytes, optional: bytes, name: str) -> bytes:
    """The digest over files, directory and end record, and over the other sub-blocks."""
    digests = []
    for section in sections(archive):
        for position in range(0, len(section), 1 << 20):
            chunk = section[position : position + (1 << 20)]
            digests.append(hashlib.new(name, b"\xa5" + struct.pack("<L", len(chunk)) + chunk).digest())
    listed = b"\x5a" + struct.pack("<L", len(digests)) + b"".join(digests)
    return hashlib.new(name, listed + optional).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hap:
    """A package before it is put together. The default passes: the entry module of a release, signed by DEVELOPER.

    The functions bend sub-blocks, the signed content, and the files, each after it was signed.
    """

    app: Mapping[str, Any] = field(
        default_factory=lambda: {"bundleName": BUNDLE, "versionCode": 42, "versionName": "1.2"}
    )
    module: Mapping[str, Any] = field(default_factory=lambda: {"name": "entry", "type": "entry"})
    module_file: str = "module.json"
    files: Mapping[str, bytes] = field(
        default_factory=lambda: {
            "ets/modules.abc": b"PANDA" + bytes(1_200_000),
            "libs/arm64-v8a/libapp.so": b"\x7fELF",
            "resources.index": b"index",
            "resources/base/media/a.png": b"a",
            "resources/rawfile/b.txt": b"b",
            "pack.info": b"{}",
        }
    )
    identity: Identity = DEVELOPER
    profile_signer: Identity = PROFILE_SIGNER
    profile: Mapping[str, Any] = field(
        default_factory=lambda: {
            "type": "release",
            "bundle-info": {
                "bundle-name": BUNDLE,
                "app-identifier": "5765880207850000001",
                "distribution-certificate": DEVELOPER.pem,
            },
        }
    )
    profile_text: bytes | None = None
    algorithm: int = ECDSA_SHA256
    content: Bend = unchanged
    signature: Bend = unchanged
    profile_block: Bend = unchanged
    gap: bytes = b""
    blocks: Callable[[dict[int, bytes]], Mapping[int, bytes] | list[tuple[int, bytes]]] = lambda blocks: blocks
    old: bool = False
    signed: bool = True
    after_signing: Callable[[dict[str, bytes]], dict[str, bytes]] = lambda files: files

    def with_(self, **changes: object) -> Hap:
        return replace(self, **changes)  # type: ignore[arg-type]

    def build(self) -> bytes:
        described = json.dumps({"app": dict(self.app), "module": dict(self.module)}).encode()
        files = {self.module_file: described, **self.files}
        archive = zipped(files)
        if not self.signed:
            return archive
        profile = cms(self.profile_text or json.dumps(dict(self.profile)).encode(), self.profile_signer)
        blocks = {PROFILE: profile, PROPERTY: b"property"}
        name = {ECDSA_SHA256: "sha256", ECDSA_SHA384: "sha384"}.get(self.algorithm, "sha256")
        digest = content_digest(archive, b"".join(blocks.values()), name)
        content = struct.pack("<5L", 2, 1, 8 + len(digest), self.algorithm, len(digest)) + digest
        blocks[SIGNATURE] = self.signature(cms(self.content(content), self.identity))
        blocks[PROFILE] = self.profile_block(profile)
        return with_block(
            zipped(self.after_signing(dict(files))), signing_block(self.blocks(blocks), old=self.old, gap=self.gap)
        )
