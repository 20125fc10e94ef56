"""APKs for tests: a manifest in binary XML, and signatures v1, v2, v3 and v3.1 with lineage, each open to change.

Written from Android's documentation, apart from the code that reads them.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from .minted_archive import Identity, listed, numbered, prefixed, sections, with_block, zipped

OWNER: Final = Identity("owner")
ROTATED: Final = Identity("owner's new key")
STRANGER: Final = Identity("stranger")

V2, V3, V31 = 0x7109871A, 0xF05368C0, 0x1B93AD61
ECDSA_SHA256, ECDSA_SHA512, RSA_PKCS1_SHA256, RSA_PSS_SHA256, ECDSA_VERITY = 0x0201, 0x0202, 0x0103, 0x0101, 0x0423
_ANDROID: Final = "http://schemas.android.com/apk/res/android"
_RESOURCE_IDS: Final = {
    "versionCode": 0x0101021B,
    "versionName": 0x0101021C,
    "versionCodeMajor": 0x01010576,
    "minSdkVersion": 0x0101020C,
    "debuggable": 0x0101000F,
}
_STRING, _DECIMAL, _BOOLEAN = 0x03, 0x10, 0x12
_NONE: Final = 0xFFFFFFFF

Attributes = Mapping[str, str | int | bool]


def manifest(elements: Mapping[str, Attributes]) -> bytes:
    """AndroidManifest.xml: the first element is the root, the others its children. ``package`` and ``split`` have no
    namespace."""
    names = [name for name in _RESOURCE_IDS if any(name in attributes for attributes in elements.values())]
    texts = dict.fromkeys([*names, "android", _ANDROID])
    for element, attributes in elements.items():
        texts[element] = None
        for name, value in attributes.items():
            texts[name] = None
            if isinstance(value, str):
                texts[value] = None
    index = {text: position for position, text in enumerate(texts)}
    body = _string_pool(list(index)) + _chunk(0x0180, 8, b"".join(struct.pack("<L", _RESOURCE_IDS[n]) for n in names))
    body += _node(0x0100, struct.pack("<2L", index["android"], index[_ANDROID]))
    root, *children = elements
    body += _start(root, elements[root], index)
    for child in children:
        body += _start(child, elements[child], index) + _node(0x0103, struct.pack("<2L", _NONE, index[child]))
    body += _node(0x0103, struct.pack("<2L", _NONE, index[root]))
    body += _node(0x0101, struct.pack("<2L", index["android"], index[_ANDROID]))
    return _chunk(0x0003, 8, body)


def _chunk(kind: int, header_size: int, body: bytes) -> bytes:
    return struct.pack("<2HL", kind, header_size, 8 + len(body)) + body


def _node(kind: int, body: bytes) -> bytes:
    return struct.pack("<2HL2L", kind, 16, 16 + len(body), 1, _NONE) + body


def _string_pool(texts: list[str]) -> bytes:
    encoded = [struct.pack("<H", len(text)) + text.encode("utf-16-le") + b"\0\0" for text in texts]
    offsets = [sum(map(len, encoded[:position])) for position in range(len(encoded))]
    content = b"".join(encoded)
    content += bytes(-len(content) % 4)
    start = 28 + 4 * len(texts)
    header = struct.pack("<5L", len(texts), 0, 0, start, 0)
    return _chunk(0x0001, 28, header + b"".join(struct.pack("<L", offset) for offset in offsets) + content)


def _start(name: str, attributes: Attributes, index: Mapping[str, int]) -> bytes:
    body = struct.pack("<2L6H", _NONE, index[name], 20, 20, len(attributes), 0, 0, 0)
    for key, value in attributes.items():
        namespace = index[_ANDROID] if key in _RESOURCE_IDS else _NONE
        raw, kind, data = _NONE, _DECIMAL, value
        if isinstance(value, bool):
            kind, data = _BOOLEAN, 0xFFFFFFFF if value else 0
        elif isinstance(value, str):
            raw = data = index[value]
            kind = _STRING
        body += struct.pack("<3L2B", namespace, index[key], raw, 8, 0)[:12] + struct.pack("<H2BL", 8, 0, kind, data)
    return _node(0x0102, body)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSigner:
    """One signer of a block. The functions bend what they are given: signed data, signature, lineage.

    ``certificate`` is another's beside which ``identity`` signs; ``digests`` and ``signatures`` are the algorithms that
    each list names, where it is not the one ``algorithm``.
    """

    identity: Identity = OWNER
    certificate: Identity | None = None
    algorithm: int = ECDSA_SHA256
    digests: tuple[int, ...] | None = None
    signatures: tuple[int, ...] | None = None
    sdk: tuple[int, int] | None = None
    signed_sdk: tuple[int, int] | None = None
    attributes: Mapping[int, bytes] | list[tuple[int, bytes]] = field(default_factory=dict)
    spki: bytes | None = None
    salt: int | None = None
    signature: Callable[[bytes], bytes] = lambda signature: signature
    content_digest: Callable[[bytes], bytes] = lambda digest: digest

    def encoded(self, archive: bytes) -> bytes:
        sdk = b"" if self.sdk is None else struct.pack("<2L", *self.sdk)
        signed_sdk = sdk if self.signed_sdk is None else struct.pack("<2L", *self.signed_sdk)
        pairs = self.attributes if isinstance(self.attributes, list) else list(self.attributes.items())
        digests = [
            numbered(number, self.content_digest(_content_digest(archive, number)))
            for number in self.digests or (self.algorithm,)
        ]
        signed = listed(digests) + listed([(self.certificate or self.identity).der]) + signed_sdk
        signed += listed([number.to_bytes(4, "little") + value for number, value in pairs])
        signatures = [
            numbered(number, self.signature(sign(self.identity, number, signed, salt=self.salt)))
            for number in self.signatures or (self.algorithm,)
        ]
        return (
            prefixed(signed)
            + sdk
            + listed(signatures)
            + prefixed((self.certificate or self.identity).spki if self.spki is None else self.spki)
        )


def sign(identity: Identity, algorithm: int, data: bytes, *, salt: int | None = None) -> bytes:
    """A signature as APK Signing Blocks have it; ``salt`` is PSS's, in bytes, where it is not the digest's size."""
    key = identity.key
    hashing = hashes.SHA512() if algorithm == ECDSA_SHA512 else hashes.SHA256()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(hashing))
    assert isinstance(key, rsa.RSAPrivateKey)
    if algorithm == RSA_PSS_SHA256:
        return key.sign(data, padding.PSS(padding.MGF1(hashing), salt or hashing.digest_size), hashing)
    return key.sign(data, padding.PKCS1v15(), hashing)


def lineage(*identities: Identity, forge: bool = False) -> bytes:
    """A proof of rotation through ``identities``, oldest first. Forged: the first did not sign for the second."""
    nodes = []
    for position, identity in enumerate(identities):
        signed = prefixed(identity.der) + (0 if position == 0 else ECDSA_SHA256).to_bytes(4, "little")
        signature = b""
        if position:
            signature = sign(STRANGER if forge else identities[position - 1], ECDSA_SHA256, signed)
        next_algorithm = ECDSA_SHA256 if position + 1 < len(identities) else 0
        nodes.append(prefixed(signed) + struct.pack("<2L", 17, next_algorithm) + prefixed(signature))
    return (1).to_bytes(4, "little") + b"".join(map(prefixed, nodes))


def _content_digest(archive: bytes, algorithm: int) -> bytes:
    if algorithm == ECDSA_VERITY:
        return _verity(b"".join(sections(archive)))
    name = "sha512" if algorithm == ECDSA_SHA512 else "sha256"
    digests = []
    for section in sections(archive):
        for position in range(0, len(section), 1 << 20):
            chunk = section[position : position + (1 << 20)]
            digests.append(hashlib.new(name, b"\xa5" + struct.pack("<L", len(chunk)) + chunk).digest())
    return hashlib.new(name, b"\x5a" + struct.pack("<L", len(digests)) + b"".join(digests)).digest()


def _verity(content: bytes) -> bytes:
    level, size = content, len(content)
    while True:
        pages = [level[at : at + 4096].ljust(4096, b"\0") for at in range(0, len(level), 4096)]
        level = b"".join(sha256(bytes(8) + page).digest() for page in pages)
        if len(level) <= 4096:
            return sha256(bytes(8) + level.ljust(4096, b"\0")).digest() + struct.pack("<Q", size)


@dataclass(frozen=True, slots=True, kw_only=True)
class JarSignature:
    """Scheme v1. ``schemes`` is what the signature file says of newer ones; the functions bend manifest and file."""

    identity: Identity = OWNER
    name: str = "META-INF/CERT.SF"
    schemes: str | None = None
    manifest: Callable[[bytes], bytes] = lambda manifest: manifest
    signature_file: Callable[[bytes], bytes] = lambda signature_file: signature_file
    algorithm: str = "sha256"
    left_out: frozenset[str] = frozenset()

    def files(self, covered: Mapping[str, bytes]) -> dict[str, bytes]:
        label = {"sha256": "SHA-256", "sha1": "SHA1"}[self.algorithm]

        def digest(content: bytes) -> str:
            return base64.b64encode(hashlib.new(self.algorithm, content).digest()).decode("ascii")

        entries = {
            name: f"{_folded(f'Name: {name}')}\r\n{label}-Digest: {digest(content)}\r\n\r\n"
            for name, content in covered.items()
        }
        manifest_text = "Manifest-Version: 1.0\r\n\r\n" + "".join(entries.values())
        head = f"X-Android-APK-Signed: {self.schemes}\r\n" if self.schemes else ""
        signature_text = (
            f"Signature-Version: 1.0\r\n{label}-Digest-Manifest: {digest(manifest_text.encode())}\r\n{head}\r\n"
        )
        for name, section in entries.items():
            if name not in self.left_out:
                signature_text += f"{_folded(f'Name: {name}')}\r\n{label}-Digest: {digest(section.encode())}\r\n\r\n"
        options = [
            pkcs7.PKCS7Options.DetachedSignature,
            pkcs7.PKCS7Options.NoAttributes,
            pkcs7.PKCS7Options.Binary,
        ]
        block = (
            pkcs7.PKCS7SignatureBuilder()
            .set_data(signature_text.encode())
            .add_signer(self.identity.certificate, self.identity.key, hashes.SHA256())
            .sign(serialization.Encoding.DER, options)
        )
        return {
            self.name: self.signature_file(signature_text.encode()),
            self.name[:-2] + ("ec" if self.name.endswith("sf") else "EC"): block,
            "META-INF/MANIFEST.MF": self.manifest(manifest_text.encode()),
        }


def _folded(line: str) -> str:
    """Lines of a manifest end after 72 bytes and go on after a space."""
    pieces = [line[:70], *(line[at : at + 69] for at in range(70, len(line), 69))]
    return "\r\n ".join(pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class Apk:
    """An APK before it is put together. The default passes: signed by OWNER with v1, v2 and v3.

    ``v1_beside`` sign by scheme v1 as well, ``beside`` are further entries of the signing block. ``after_signing``
    bends the files once every signature is made.
    """

    root: Attributes = field(
        default_factory=lambda: {"package": "org.example.demo", "versionCode": 42, "versionName": "1.2"}
    )
    application: Attributes = field(default_factory=dict)
    min_sdk: int = 21
    files: Mapping[str, bytes] = field(
        default_factory=lambda: {
            "classes.dex": b"dex\n035\0" + bytes(1_500_000),
            "classes2.dex": b"dex\n035\0more",
            "lib/arm64-v8a/libapp.so": b"\x7fELF",
            "assets/a.txt": b"a",
            "assets/deep/b.txt": b"b",
            "resources.arsc": b"resources",
            "META-INF/services/x": b"uncovered",
        }
    )
    v1: JarSignature | None = field(default_factory=JarSignature)
    v1_beside: tuple[JarSignature, ...] = ()
    blocks: Mapping[int, tuple[BlockSigner, ...]] = field(
        default_factory=lambda: {V2: (BlockSigner(),), V3: (BlockSigner(sdk=(28, 0x7FFFFFFF)),)}
    )
    beside: Mapping[int, bytes] = field(default_factory=dict)
    after_signing: Callable[[dict[str, bytes]], dict[str, bytes]] = lambda files: files
    manifest: Callable[[bytes], bytes] = lambda manifest: manifest

    def with_(self, **changes: object) -> Apk:
        return replace(self, **changes)  # type: ignore[arg-type]

    def build(self) -> bytes:
        elements = {"manifest": self.root, "uses-sdk": {"minSdkVersion": self.min_sdk}, "application": self.application}
        files = {"AndroidManifest.xml": self.manifest(manifest(elements)), **self.files}
        if self.v1 is not None:
            covered = {name: content for name, content in files.items() if not name.startswith("META-INF/")}
            for signature in (self.v1, *self.v1_beside):
                files = {**files, **signature.files(covered)}
        archive = zipped(files)
        if not self.blocks and not self.beside:
            return zipped(self.after_signing(dict(files)))
        values = {
            number: listed(signer.encoded(archive) for signer in signers) for number, signers in self.blocks.items()
        }
        return with_block(zipped(self.after_signing(dict(files))), signing_block({**values, **self.beside}))


def signing_block(values: Mapping[int, bytes] | list[tuple[int, bytes]]) -> bytes:
    """An APK Signing Block with these values by id."""
    pairs = values.items() if isinstance(values, Mapping) else values
    content = b"".join(struct.pack("<QL", 4 + len(value), number) + value for number, value in pairs)
    size = struct.pack("<Q", len(content) + 24)
    return size + content + size + b"APK Sig Block 42"
