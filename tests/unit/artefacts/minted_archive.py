"""ZIP archives for tests: from names and contents, with a signing block put in, or bent on purpose."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_END: Final = struct.Struct("<4s4H2LH")
_NOT_BEFORE: Final = datetime(2026, 1, 1, tzinfo=UTC)


class Identity:
    """A certificate and its key: self-signed, or issued by another identity."""

    def __init__(
        self,
        name: str,
        *,
        key: Key | None = None,
        unit: str | None = None,
        subject: x509.Name | None = None,
        issuer: Identity | None = None,
        ca: bool = False,
    ) -> None:
        self.key: Key = key or ec.generate_private_key(ec.SECP256R1())
        attributes = [(NameOID.COMMON_NAME, name)]
        if unit is not None:
            attributes.append((NameOID.ORGANIZATIONAL_UNIT_NAME, unit))
        self.subject = subject or x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])
        self.issuer = issuer
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.subject)
            .issuer_name(self.subject if issuer is None else issuer.subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(_NOT_BEFORE)
            .not_valid_after(_NOT_BEFORE + timedelta(days=10_000))
        )
        if ca:
            builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificate = builder.sign(self.key if issuer is None else issuer.key, hashes.SHA256())

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")

    @property
    def spki(self) -> bytes:
        return self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the certificate, in hex."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()


def zipped(files: Mapping[str, bytes] | Iterable[tuple[str, bytes]], *, deflate: bool = True) -> bytes:
    """An archive of these files, in their order."""
    pairs = files.items() if isinstance(files, Mapping) else files
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED if deflate else zipfile.ZIP_STORED) as archive:
        for name, content in pairs:
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content, archive.compression)
    return memory.getvalue()


def directory_offset(archive: bytes) -> int:
    """Where the central directory of an archive without comment begins."""
    return int.from_bytes(archive[-6:-2], "little")


def with_block(archive: bytes, block: bytes) -> bytes:
    """The archive with ``block`` before its central directory."""
    offset = directory_offset(archive)
    moved = archive[:offset] + block + archive[offset:]
    return moved[:-6] + (offset + len(block)).to_bytes(4, "little") + moved[-2:]


def sections(archive: bytes) -> tuple[bytes, bytes, bytes]:
    """Files, central directory and end record of an archive without signing block."""
    offset = directory_offset(archive)
    return archive[:offset], archive[offset : -_END.size], archive[-_END.size :]


def prefixed(content: bytes) -> bytes:
    """``content`` behind its length, as signing blocks have it."""
    return len(content).to_bytes(4, "little") + content


def listed(items: Iterable[bytes]) -> bytes:
    """Each item behind its length, and all behind theirs."""
    return prefixed(b"".join(map(prefixed, items)))


def numbered(number: int, content: bytes) -> bytes:
    """A number and a length-prefixed content."""
    return number.to_bytes(4, "little") + prefixed(content)
