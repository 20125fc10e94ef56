"""APK Signature Scheme v1: a signed JAR. All that Android before 7 knows, and all that some old APKs have.

The chain of digests: the signature (CMS) covers the signature file, that covers the manifest, that covers each entry.
Entries under META-INF/ are covered by nothing, as everywhere in scheme v1.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from .archive import Archive
from .artefact import ArtefactError, Signer
from .signed_data import SignatureBroken, read_signed_data

MANIFEST: Final = "META-INF/MANIFEST.MF"
MAX_MANIFEST_BYTES: Final = 32 << 20
_MAX_SIGNATURE_BYTES: Final = 1 << 20
_SIGNATURE_FILE: Final = re.compile(r"META-INF/([^/]+)\.SF\Z", re.IGNORECASE)
_BLOCK_TYPES: Final = ("RSA", "EC", "DSA")
_ALGORITHMS: Final = {"SHA-512": "sha512", "SHA-384": "sha384", "SHA-256": "sha256", "SHA1": "sha1", "SHA-1": "sha1"}

Section = Mapping[str, str]


def jar_signers(archive: Archive, *, min_sdk: int, has_newer_scheme: bool) -> tuple[Signer, ...]:
    """The signers by scheme v1; none where the archive has no such signature, or where no device asks for it.

    Raises :class:`ArtefactError` for a signature that does not verify and for an entry that was changed.
    """
    signature_files = [name for name in archive.names if _SIGNATURE_FILE.match(name)]
    if not signature_files or (has_newer_scheme and min_sdk >= 24):
        return ()
    manifest = archive.read(MANIFEST, limit=MAX_MANIFEST_BYTES)
    signers = []
    for name in signature_files:
        signature_file = archive.read(name, limit=MAX_MANIFEST_BYTES)
        certificate = _verified_signer(archive, name, signature_file)
        head, *signed = list(_sections(signature_file, archive.name)) or [{}]
        if not _matches(head, "-Digest-Manifest", manifest):
            raise ArtefactError(f"{archive.name} was changed after it was signed: its manifest is another one.")
        schemes = re.split(r"[,\s]+", head.get("X-Android-APK-Signed", ""))
        if not has_newer_scheme and {"2", "3"} & set(schemes):
            # The attack: strip scheme v2, then use what v1 leaves uncovered.
            raise ArtefactError(f"{archive.name} was signed by a newer scheme as well, and that signature was removed.")
        # Android takes an entry for signed when the signature file names it; what its sections say of the manifest's
        # sections follows from the digest of the whole.
        _check_all_named(archive, {section.get("Name", "") for section in signed})
        signers.append(Signer(digest=sha256(certificate).hexdigest(), scheme="v1"))
    _check_entries(archive, manifest)
    return tuple(signers)


def _verified_signer(archive: Archive, name: str, signature_file: bytes) -> bytes:
    blocks = [f"{name[:-2]}{kind}" for kind in _BLOCK_TYPES if f"{name[:-2]}{kind}" in archive]
    if len(blocks) != 1:
        raise ArtefactError(f"{archive.name} has {len(blocks)} signatures where {name} needs one.")
    try:
        signed = read_signed_data(archive.read(blocks[0], limit=_MAX_SIGNATURE_BYTES))
        (certificate,) = signed.verified_signers(signature_file)
    except (SignatureBroken, ValueError) as error:
        raise ArtefactError(f"{archive.name} is not signed as it says: {blocks[0]} does not verify.") from error
    return certificate.raw


def _covered(archive: Archive) -> list[str]:
    return [name for name in archive.names if not name.startswith("META-INF/")]


def _check_all_named(archive: Archive, named: set[str]) -> None:
    for name in _covered(archive):
        if name not in named:
            raise ArtefactError(f"{archive.name} has an entry that its signature leaves out: {name[:80]}.")


def _check_entries(archive: Archive, manifest: bytes) -> None:
    sections = _sections(manifest, archive.name)
    next(sections, None)  # the main section is about no entry
    promised: dict[str, Section] = {}
    for section in sections:
        name = section.get("Name", "")
        if name in promised:
            raise ArtefactError(f"{archive.name} has a manifest that names an entry twice.")
        promised[name] = section
    for name in _covered(archive):
        if name not in promised:
            raise ArtefactError(f"{archive.name} was changed after it was signed: {name[:80]} was added.")
        if not _entry_matches(archive, name, promised[name]):
            raise ArtefactError(f"{archive.name} was changed after it was signed: {name[:80]} is another one.")
    gone = [name for name in promised if name not in archive and not name.startswith("META-INF/")]
    if gone:
        raise ArtefactError(f"{archive.name} was changed after it was signed: {gone[0][:80]} was removed.")


def _entry_matches(archive: Archive, name: str, section: Section) -> bool:
    for label, algorithm in _ALGORITHMS.items():
        if f"{label}-Digest" in section:
            return compare_digest(_decoded(section[f"{label}-Digest"]), archive.digest(name, algorithm))
    return False


def _matches(section: Section, suffix: str, content: bytes) -> bool:
    for label, algorithm in _ALGORITHMS.items():
        if label + suffix in section:
            actual = hashlib.new(algorithm, content, usedforsecurity=False).digest()
            return compare_digest(_decoded(section[label + suffix]), actual)
    return False


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _sections(content: bytes, name: str) -> Iterator[dict[str, str]]:
    """The sections of a manifest (JAR File Specification): ``Key: value`` lines, long ones continued by a space."""
    try:
        # Lines are joined as bytes: a line may break within a character.
        unix = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n ", b"")
        text = unix.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ArtefactError(f"{name} has a broken manifest.") from error
    section: dict[str, str] = {}
    for line in text.split("\n"):
        if not line:
            if section:
                yield section
            section = {}
            continue
        key, separator, value = line.partition(": ")
        if not separator or key in section:
            raise ArtefactError(f"{name} has a broken manifest.")
        section[key] = value
    if section:
        yield section
