"""The device authority: one test root that stands for the vendors, and what each vendor issues below it.

Its names say that it is software and no vendor. A stack trusts it only where an operator lists it as a development
trust anchor, which production refuses. Vendors join as their own class beside :class:`AppleAuthority`.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificate

from bonafide.operator.errors import OperatorError
from devkit.devices.authority.android import AndroidAuthority
from devkit.devices.authority.certificate_template import (
    CRL_SIGN,
    DIGITAL_SIGNATURE,
    KEY_CERT_SIGN,
    CertificateTemplate,
    Extension,
    Issuer,
    RandomBytes,
    authority_key_identifier,
    basic_constraints,
    key_usage,
    name,
    new_private_key,
    spki_of,
    subject_key_identifier,
)
from devkit.devices.authority.der_writer import NULL
from devkit.devices.authority.harmony import HarmonyAuthority

_NOT_APPLE: Final = "Bonafide Software Devices, not Apple"
_ROOT_NAME: Final = name(
    ("CN", "Bonafide Software Device Root CA"), ("O", "Bonafide Software Devices, not a vendor"), ("ST", "Test")
)
_APP_ATTESTATION_CA_NAME: Final = name(
    ("CN", "Bonafide Software App Attestation CA 1"), ("O", _NOT_APPLE), ("ST", "Test")
)
_RECEIPT_CA_NAME: Final = name(
    ("CN", "Bonafide Software Receipt CA 5 - G1"),
    ("OU", "Bonafide Software Certification"),
    ("O", _NOT_APPLE),
    ("C", "ZZ"),
)
_RECEIPT_SIGNER_NAME: Final = name(
    ("CN", "Bonafide Software Attestation Fraud Receipt Signing"), ("O", _NOT_APPLE), ("C", "ZZ")
)

_VALID_FROM: Final = datetime(2014, 1, 1, tzinfo=UTC).timestamp()
_VALID_TO: Final = datetime(2049, 12, 31, tzinfo=UTC).timestamp()

RECEIPT_CA_MARKER: Final = Extension("1.2.840.113635.100.6.2.3", NULL)
RECEIPT_SIGNER_MARKER: Final = Extension("1.2.840.113635.100.12.15", NULL)


class AuthorityUnreadable(OperatorError):
    """The folder does not hold a device authority. The message is one sentence for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppleAuthority:
    """What stands for Apple below the root.

    ``app_attestation_ca`` (P-384, path length 0) issues attestation leaves; ``receipt_ca`` (P-256) vouches for the
    receipt signer, whose certificate lives about a year, as the genuine one does.
    """

    root: Issuer
    app_attestation_ca: Issuer
    receipt_ca: Issuer
    receipt_signer_key: ec.EllipticCurvePrivateKey

    def receipt_signer_template(self, now: float) -> CertificateTemplate:
        """The certificate of the receipt signer for the calendar year of ``now``, before it is signed."""
        year = datetime.fromtimestamp(now, UTC).year
        spki = spki_of(self.receipt_signer_key)
        return CertificateTemplate(
            serial=year << 64 | int.from_bytes(spki[-8:]),
            issuer=self.receipt_ca.name,
            subject=_RECEIPT_SIGNER_NAME,
            not_before=datetime(year - 1, 12, 1, tzinfo=UTC).timestamp(),
            not_after=datetime(year, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp(),
            spki=spki,
            digest="sha256",
            extensions=(
                basic_constraints(ca=False),
                authority_key_identifier(spki_of(self.receipt_ca.key)),
                subject_key_identifier(spki),
                key_usage(DIGITAL_SIGNATURE),
                RECEIPT_SIGNER_MARKER,
            ),
        )

    def receipt_signer(self, now: float) -> Issuer:
        """The key that signs receipts made at ``now``, with its certificate."""
        certificate = self.receipt_signer_template(now).signed_by(self.receipt_ca.key)
        return Issuer(self.receipt_signer_key, certificate)


@dataclass(frozen=True, slots=True)
class DeviceAuthority:
    """The root and its vendors. Made by :meth:`create`, kept in a folder by :meth:`save`."""

    root: Issuer
    apple: AppleAuthority

    @property
    def android(self) -> AndroidAuthority:
        """What stands for Google and the phone makers. It follows from the root, so nothing of it is stored."""
        return AndroidAuthority(self.root.key, self.root.name, self.root.certificate)

    @property
    def harmony(self) -> HarmonyAuthority:
        """What stands for Huawei. It follows from the root as well."""
        return HarmonyAuthority(self.root.key, self.root.name, self.root.certificate)

    @property
    def root_certificate(self) -> bytes:
        """The root certificate in DER: what a development stage lists as its trust anchor."""
        return self.root.certificate

    @property
    def root_certificate_pem(self) -> str:
        """The root certificate in PEM."""
        return _to_pem(self.root.certificate)

    @classmethod
    def create(cls, random: RandomBytes = secrets.token_bytes) -> DeviceAuthority:
        """A new authority. The same ``random`` gives the same keys and certificates."""
        root_key = new_private_key(ec.SECP384R1(), random)
        root = Issuer(root_key, _ca_template(root_key, _ROOT_NAME, root_key, _ROOT_NAME, random).signed_by(root_key))
        attestation_key = new_private_key(ec.SECP384R1(), random)
        attestation_ca = _ca_template(
            attestation_key, _APP_ATTESTATION_CA_NAME, root_key, _ROOT_NAME, random, path_length=0
        ).signed_by(root_key)
        receipt_key = new_private_key(ec.SECP256R1(), random)
        receipt_ca = (
            _ca_template(receipt_key, _RECEIPT_CA_NAME, root_key, _ROOT_NAME, random)
            .with_extension(RECEIPT_CA_MARKER)
            .signed_by(root_key)
        )
        return cls(
            root,
            AppleAuthority(
                root=root,
                app_attestation_ca=Issuer(attestation_key, attestation_ca),
                receipt_ca=Issuer(receipt_key, receipt_ca),
                receipt_signer_key=new_private_key(ec.SECP256R1(), random),
            ),
        )

    def save(self, directory: Path) -> None:
        """Write the authority to ``directory``, which must not hold one yet.

        Every file is readable by its owner alone. The folder appears whole or not at all, so a second process never
        reads half an authority. Raises ``FileExistsError``.
        """
        directory.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
        try:
            for entry, key, certificate in self._entries():
                _write_private(draft / f"{entry}.key.pem", key_to_pem(key))
                if certificate is not None:
                    _write_private(draft / f"{entry}.pem", _to_pem(certificate))
            try:
                draft.rename(directory)  # fails when a filled folder is already there
            except OSError as error:
                raise FileExistsError(f"{directory} already holds a device authority") from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    @classmethod
    def load(cls, directory: Path) -> DeviceAuthority:
        """Read the authority in ``directory``. Raises :class:`AuthorityUnreadable`."""
        try:
            root = _read_issuer(directory, "root")
            return cls(
                root,
                AppleAuthority(
                    root=root,
                    app_attestation_ca=_read_issuer(directory, "apple-app-attestation-ca"),
                    receipt_ca=_read_issuer(directory, "apple-receipt-ca"),
                    receipt_signer_key=_read_key(directory, "apple-receipt-signer"),
                ),
            )
        except (OSError, ValueError, TypeError) as error:
            raise AuthorityUnreadable(f"{directory} does not hold a device authority") from error

    @classmethod
    def load_or_create(cls, directory: Path) -> DeviceAuthority:
        """The authority in ``directory``, made first where there is none. Safe when two processes do it at once."""
        if not directory.is_dir() or not any(directory.iterdir()):
            try:
                cls.create().save(directory)
            except FileExistsError:
                pass  # another process was faster: its authority is the one
        return cls.load(directory)

    def _entries(self) -> tuple[tuple[str, ec.EllipticCurvePrivateKey, bytes | None], ...]:
        apple = self.apple
        return (
            ("root", self.root.key, self.root.certificate),
            ("apple-app-attestation-ca", apple.app_attestation_ca.key, apple.app_attestation_ca.certificate),
            ("apple-receipt-ca", apple.receipt_ca.key, apple.receipt_ca.certificate),
            ("apple-receipt-signer", apple.receipt_signer_key, None),
        )


def _ca_template(
    key: ec.EllipticCurvePrivateKey,
    subject: bytes,
    issuer_key: ec.EllipticCurvePrivateKey,
    issuer: bytes,
    random: RandomBytes,
    *,
    path_length: int | None = None,
) -> CertificateTemplate:
    spki = spki_of(key)
    above = () if key is issuer_key else (authority_key_identifier(spki_of(issuer_key)),)
    return CertificateTemplate(
        serial=int.from_bytes(b"\x01" + random(15)),
        issuer=issuer,
        subject=subject,
        not_before=_VALID_FROM,
        not_after=_VALID_TO,
        spki=spki,
        extensions=(
            basic_constraints(ca=True, path_length=path_length),
            *above,
            subject_key_identifier(spki),
            key_usage(KEY_CERT_SIGN | CRL_SIGN),
        ),
    )


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)


def _to_pem(certificate: bytes) -> str:
    return load_der_x509_certificate(certificate).public_bytes(serialization.Encoding.PEM).decode("ascii")


def key_to_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """A private key as PEM, unencrypted (PKCS #8)."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode("ascii")


def key_from_pem(text: str) -> ec.EllipticCurvePrivateKey:
    """Inverse of :func:`key_to_pem`. Raises :class:`ValueError` and :class:`TypeError` for anything else."""
    key = serialization.load_pem_private_key(text.encode("ascii"), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("not an elliptic curve key")
    return key


def _read_key(directory: Path, entry: str) -> ec.EllipticCurvePrivateKey:
    return key_from_pem((directory / f"{entry}.key.pem").read_text("ascii"))


def _read_issuer(directory: Path, entry: str) -> Issuer:
    certificate = load_pem_x509_certificate((directory / f"{entry}.pem").read_bytes())
    return Issuer(_read_key(directory, entry), certificate.public_bytes(serialization.Encoding.DER))
