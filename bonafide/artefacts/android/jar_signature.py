"""APK Signature Scheme v1: a signed JAR. Android before 7 knows no other scheme, and some old APKs have no other.

The chain of digests: the signature (CMS) covers the signature file, that covers the manifest, that covers each entry.
No device checks entries under META-INF/; where the manifest names them, we do.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from typing import Final

from bonafide.artefacts.archive import Archive
from bonafide.artefacts.artefact import ArtefactError
from bonafide.artefacts.signed_data import SignatureBroken, read_signed_data

MANIFEST: Final = "META-INF/MANIFEST.MF"
MAX_MANIFEST_BYTES: Final = 32 << 20
_MAX_SIGNATURE_BYTES: Final = 1 << 20
# Devices look for signatures in all of META-INF/, whatever the case of their names.
_SIGNATURE_FILE: Final = re.compile(r"META-INF/(.+)\.(SF|RSA|DSA|EC)\Z", re.IGNORECASE)
_PLAIN_NAME: Final = re.compile(r"META-INF/[^/]+\.(SF|sf|RSA|rsa|DSA|dsa|EC|ec)\Z")
_BLOCK_TYPES: Final = ("RSA", "EC", "DSA")
_ALGORITHMS: Final = {"SHA-512": "sha512", "SHA-384": "sha384", "SHA-256": "sha256", "SHA1": "sha1", "SHA-1": "sha1"}

Section = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class JarSigners:
    """The certificates that signed by scheme v1, and the entries that none of their signatures covers."""

    certificates: tuple[bytes, ...] = ()
    uncovered: tuple[str, ...] = ()


def jar_signers(archive: Archive, newer: Collection[str]) -> JarSigners:
    """The signers by scheme v1; none where the archive has no such signature. ``newer`` are the other schemes there.

    Raises :class:`ArtefactError` for a signature that does not verify and for an entry that was changed.
    """
    signature_files = _signature_files(archive)
    if not signature_files:
        return JarSigners()
    manifest = archive.read(MANIFEST, limit=MAX_MANIFEST_BYTES)
    certificates = []
    for name in signature_files:
        signature_file = archive.read(name, limit=MAX_MANIFEST_BYTES)
        certificates.append(_verified_signer(archive, name, signature_file))
        head, *signed = list(_sections(signature_file, archive.name)) or [{}]
        if not _matches(head, "-Digest-Manifest", manifest):
            raise ArtefactError(f"{archive.name} was changed after it was signed: its manifest is another one.")
        schemes = {f"v{scheme}" for scheme in re.split(r"[,\s]+", head.get("X-Android-APK-Signed", ""))}
        if (schemes & {"v2", "v3"}) - set(newer):
            # The attack: strip scheme v2, then use what v1 leaves uncovered.
            raise ArtefactError(f"{archive.name} was signed by a newer scheme as well, and that signature was removed.")
        # Android takes an entry as signed when the signature file names it; what its sections say of the manifest's
        # sections follows from the digest of the whole.
        _check_all_named(archive, {section.get("Name", "") for section in signed})
    return JarSigners(tuple(certificates), _check_entries(archive, manifest))


def _signature_files(archive: Archive) -> list[str]:
    """Every ``.SF`` file. Devices know files under META-INF/ by name in capitals, so two of one name are refused."""
    signatures = [name for name in archive.names if _SIGNATURE_FILE.match(name)]
    names = [name.upper() for name in archive.names if name.startswith("META-INF/")]
    odd = next((name for name in signatures if not _PLAIN_NAME.match(name)), None)
    if odd is not None:
        raise ArtefactError(f"{archive.name} has a signature in an odd place: {odd[:80]}.")
    if len(set(names)) != len(names):
        raise ArtefactError(f"{archive.name} has two entries under META-INF/ whose names differ in case alone.")
    files = [name for name in signatures if name.upper().endswith(".SF")]
    known = {name[: name.rindex(".")] for name in files}
    for name in signatures:
        if name[: name.rindex(".")] not in known:
            raise ArtefactError(f"{archive.name} has a signature of nothing: {name[:80]}.")
    return files


def _verified_signer(archive: Archive, name: str, signature_file: bytes) -> bytes:
    kinds = (*_BLOCK_TYPES, *map(str.lower, _BLOCK_TYPES))
    blocks = [f"{name[:-2]}{kind}" for kind in kinds if f"{name[:-2]}{kind}" in archive]
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


def _check_entries(archive: Archive, manifest: bytes) -> tuple[str, ...]:
    """Hold every entry against the manifest; names of files under META-INF/ that it leaves out, and may."""
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
    beside = [
        name
        for name in archive.names
        if name.startswith("META-INF/") and name != MANIFEST and not _SIGNATURE_FILE.match(name)
    ]
    for name in beside:
        if name in promised and not _entry_matches(archive, name, promised[name]):
            raise ArtefactError(f"{archive.name} was changed after it was signed: {name[:80]} is another one.")
    return tuple(name for name in beside if name not in promised)


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
