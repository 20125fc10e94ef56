"""iOS app archives for tests: a Mach-O file with code and code signature, sealed resources, a provisioning profile."""

from __future__ import annotations

import hashlib
import plistlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7

from .minted_archive import Identity, zipped

TEAM: Final = "TEAMID1234"
DEVELOPER: Final = Identity("Apple Distribution: Example", unit=TEAM)
OTHER_TEAM: Final = Identity("Apple Distribution: Evil", unit="EVILTEAM99")
BUNDLE: Final = "org.example.demo"
CODE: Final = bytes(range(256)) * 40
NESTED: Final = "Frameworks/Nested.framework"
ARM64, X86_64 = 0x0100000C, 0x01000007
_PAGE: Final = 4096

Bend = Callable[[bytes], bytes]


def unchanged(content: bytes) -> bytes:
    return content


def cms(content: bytes, identity: Identity, *, detached: bool = False) -> bytes:
    """CMS SignedData with signed attributes, as Apple's tools make it."""
    options = [pkcs7.PKCS7Options.Binary]
    if detached:
        options.append(pkcs7.PKCS7Options.DetachedSignature)
    builder = (
        pkcs7.PKCS7SignatureBuilder().set_data(content).add_signer(identity.certificate, identity.key, hashes.SHA256())
    )
    issuer = identity.issuer
    while issuer is not None:
        builder = builder.add_certificate(issuer.certificate)
        issuer = issuer.issuer
    return builder.sign(serialization.Encoding.DER, options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """How an executable is signed. The functions bend the parts after their digests or signatures were made;
    ``second`` bends all code directories but the first, which nothing signs."""

    identity: Identity | None = DEVELOPER
    team: str | None = TEAM
    entitlements: Mapping[str, Any] | None = None
    hashing: tuple[str, ...] = ("sha256",)
    code: Bend = unchanged
    directory: Bend = unchanged
    second: Bend = unchanged
    entitlements_blob: Bend = unchanged

    def sign(self, code: bytes, *, info_plist: bytes | None, resources: bytes | None) -> bytes:
        """The super blob over ``code``."""
        entitlements = None
        if self.entitlements is not None:
            entitlements = _blob(0xFADE7171, plistlib.dumps(dict(self.entitlements)))
        slots = {1: info_plist, 3: resources, 5: entitlements}
        directories = [self._directory(code, slots, name) for name in self.hashing]
        blobs: dict[int, bytes] = {0: directories[0]}
        blobs |= {0x1000 + index: self.second(directory) for index, directory in enumerate(directories[1:])}
        if entitlements is not None:
            blobs[5] = self.entitlements_blob(entitlements)
        signature = b"" if self.identity is None else cms(directories[0], self.identity, detached=True)
        blobs[0x10000] = _blob(0xFADE0B01, signature)
        blobs[0] = self.directory(blobs[0])
        return _super_blob(blobs)

    def _directory(self, code: bytes, slots: Mapping[int, bytes | None], name: str) -> bytes:
        kind, size = {"sha1": (1, 20), "sha256": (2, 32)}[name]

        def digest(content: bytes) -> bytes:
            return hashlib.new(name, content).digest()

        identifier = BUNDLE.encode() + b"\0"
        team = (self.team or "").encode() + b"\0"
        special = b"".join(
            bytes(size) if (content := slots.get(slot)) is None else digest(content) for slot in range(5, 0, -1)
        )
        pages = [digest(code[at : at + _PAGE]) for at in range(0, len(code), _PAGE)]
        identifier_at = 52
        team_at = identifier_at + len(identifier)
        hashes_at = team_at + len(team) + len(special)
        head = struct.pack(
            ">7L4BL",
            0x20200, 0, hashes_at, identifier_at, 5, len(pages), len(code), size, kind, 0, 12, 0,
        )  # fmt: skip
        head += struct.pack(">2L", 0, team_at if self.team else 0)
        return _blob(0xFADE0C02, head + identifier + team + special + b"".join(pages))


def _blob(magic: int, content: bytes) -> bytes:
    return struct.pack(">2L", magic, 8 + len(content)) + content


def _super_blob(blobs: Mapping[int, bytes]) -> bytes:
    offset = 12 + 8 * len(blobs)
    index = b""
    for slot, blob in blobs.items():
        index += struct.pack(">2L", slot, offset)
        offset += len(blob)
    return struct.pack(">3L", 0xFADE0CC0, offset, len(blobs)) + index + b"".join(blobs.values())


def mach_o(
    code: bytes = CODE,
    *,
    sign: Callable[[bytes], bytes] | None = None,
    bend: Bend = unchanged,
    encrypted: bool = False,
    cpu: int = ARM64,
) -> bytes:
    """A 64-bit Mach-O file with one section of code, and its signature by ``sign``; ``bend`` comes after that."""
    count, size = 2, 152 + 24
    if sign is not None:
        count, size = count + 1, size + 16
    start = 32 + size
    segment = struct.pack("<2L16s4Q4L", 0x19, 152, b"__TEXT", 0, 0, 0, 0, 5, 5, 1, 0)
    segment += struct.pack("<16s16s2Q8L", b"__text", b"__TEXT", 0, len(code), start, 2, 0, 0, 0, 0, 0, 0)
    encryption = struct.pack("<6L", 0x2C, 24, start, len(code), int(encrypted), 0)
    head = struct.pack("<8L", 0xFEEDFACF, cpu, 0, 2, count, size, 0, 0) + segment + encryption
    if sign is None:
        return bend(head + code)
    # The command says how large the signature is, and is signed itself; a signature's size does not depend on it.
    length = len(sign(head + struct.pack("<4L", 0x1D, 16, start + len(code), 0) + code)) + 64
    signed = head + struct.pack("<4L", 0x1D, 16, start + len(code), length) + code
    return bend(signed) + sign(signed).ljust(length, b"\0")


def fat(slices: Mapping[int, bytes]) -> bytes:
    """A universal file."""
    offset = 8 + 20 * len(slices)
    table, content = b"", b""
    for cpu, piece in slices.items():
        table += struct.pack(">5L", cpu, 0, offset + len(content), len(piece), 0)
        content += piece
    return struct.pack(">2L", 0xCAFEBABE, len(slices)) + table + content


def cdhash(executable: bytes, *, name: str = "sha256", at: int = 0) -> bytes:
    """The digest of the code directory in ``executable`` by which an enclosing bundle seals it."""
    start = -1
    for _ in range(at + 1):
        start = executable.index(b"\xfa\xde\x0c\x02", start + 1)
    size = int.from_bytes(executable[start + 4 : start + 8], "big")
    return hashlib.new(name, executable[start : start + size]).digest()[:20]


def nested_bundle(
    code: bytes = b"nested" * 1_000, *, signing: Signing | None = None, inner: Mapping[str, bytes] | None = None
) -> dict[str, bytes]:
    """A framework that is signed by itself, with a resource on a list of its own; ``inner`` is one within it."""
    info = plistlib.dumps({"CFBundleExecutable": "Nested", "CFBundleIdentifier": f"{BUNDLE}.nested"})
    files2: dict[str, Any] = {"nested.txt": {"hash2": hashlib.sha256(b"nested").digest()}}
    if inner is not None:
        files2["In.framework"] = {"cdhash": cdhash(inner["Nested"])}
    resources = plistlib.dumps({"files2": files2})
    signs = signing or Signing()

    def sign(body: bytes) -> bytes:
        return signs.sign(body, info_plist=info, resources=resources)

    return {
        "Info.plist": info,
        "_CodeSignature/CodeResources": resources,
        "Nested": mach_o(code, sign=sign),
        "nested.txt": b"nested",
        **{f"In.framework/{path}": content for path, content in (inner or {}).items()},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Ipa:
    """An archive before it is put together. The default passes: a release build by DEVELOPER with one framework.

    ``after_signing`` bends the files of the app once the signature is made.
    """

    info: Mapping[str, Any] = field(
        default_factory=lambda: {
            "CFBundleIdentifier": BUNDLE,
            "CFBundleVersion": "42",
            "CFBundleShortVersionString": "1.2",
            "CFBundleExecutable": "Demo",
        }
    )
    entitlements: Mapping[str, Any] = field(
        default_factory=lambda: {
            "application-identifier": f"{TEAM}.{BUNDLE}",
            "com.apple.developer.team-identifier": TEAM,
            "get-task-allow": False,
        }
    )
    signing: Signing | None = field(default_factory=Signing)
    framework: Signing | None = field(default_factory=Signing)
    encrypted: bool = False
    universal: bool = False
    nested: Mapping[str, bytes] = field(default_factory=lambda: nested_bundle())
    files: Mapping[str, bytes] = field(
        default_factory=lambda: {
            "Assets.car": b"assets",
            "main.jsbundle": b"var a",
            "Frameworks/App.framework/flutter_assets/kernel": b"k",
            "Frameworks/App.framework/flutter_assets/deep/font": b"f",
        }
    )
    profile: Mapping[str, Any] | None = field(
        default_factory=lambda: {"TeamIdentifier": [TEAM], "ApplicationIdentifierPrefix": [TEAM]}
    )
    profile_bytes: Bend = unchanged
    omit: Mapping[str, Any] = field(default_factory=dict)
    after_signing: Callable[[dict[str, bytes]], dict[str, bytes]] = lambda files: files
    folder: str = "Payload/Demo.app/"

    def with_(self, **changes: object) -> Ipa:
        return replace(self, **changes)  # type: ignore[arg-type]

    def build(self) -> bytes:
        info = plistlib.dumps(dict(self.info), fmt=plistlib.FMT_BINARY)
        library = mach_o(b"library" * 2_000, sign=self._signer(self.framework, None, None), encrypted=self.encrypted)
        files = {"Info.plist": info, "Frameworks/Lib.framework/Lib": library, **self.files}
        if self.profile is not None:
            files["embedded.mobileprovision"] = self.profile_bytes(cms(plistlib.dumps(dict(self.profile)), OTHER_TEAM))
        sealed: dict[str, Any] = {
            name: {"hash": hashlib.sha1(content).digest(), "hash2": hashlib.sha256(content).digest()}  # noqa: S324
            for name, content in files.items()
            if name != "Info.plist"
        }
        sealed |= {"gone.strings": {"hash2": bytes(32), "optional": True}}
        files |= {f"{NESTED}/{path}": content for path, content in self.nested.items()}
        if self.nested:
            sealed[NESTED] = {"cdhash": cdhash(self.nested["Nested"]), "requirement": "anchor apple generic"}
        resources = plistlib.dumps({"files": {}, "files2": sealed | dict(self.omit), "rules2": {}})
        signing = None if self.signing is None else replace(self.signing, entitlements=self.entitlements)
        bend = unchanged if signing is None else signing.code
        executable = mach_o(sign=self._signer(signing, info, resources), bend=bend, encrypted=self.encrypted)
        if self.universal:
            executable = fat({X86_64: mach_o(b"other", cpu=X86_64), ARM64: executable})
        files |= {"_CodeSignature/CodeResources": resources, "Demo": executable}
        return zipped({self.folder + name: content for name, content in self.after_signing(dict(files)).items()})

    @staticmethod
    def _signer(
        signing: Signing | None, info: bytes | None, resources: bytes | None
    ) -> Callable[[bytes], bytes] | None:
        if signing is None:
            return None
        return lambda code: signing.sign(code, info_plist=info, resources=resources)
