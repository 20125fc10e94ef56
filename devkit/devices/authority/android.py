"""What stands for Google and the phone makers below the device authority's test root.

The verifier tells provisioning apart by the names that Google gives its certificates, so these names are Google's; that
no vendor is behind them shows in the root alone, which production stacks refuse.
Every key follows from the root's, so a batch keeps its serial from one start to the next and can be revoked.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from devkit.devices.authority.certificate_template import (
    CRL_SIGN,
    DIGITAL_SIGNATURE,
    KEY_CERT_SIGN,
    CertificateTemplate,
    Extension,
    IssuerKey,
    RandomBytes,
    SigningCertificate,
    basic_constraints,
    identifiers,
    key_usage,
    name,
    new_private_key,
    spki_of,
)

DAY: Final = 86_400.0
PROVISIONING_INFO: Final = "1.3.6.1.4.1.11129.2.1.30"
FACTORY, RKP = "factory", "rkp"
TEE, STRONGBOX = "TEE", "StrongBox"

_MADE: Final = datetime(2018, 5, 25, tzinfo=UTC).timestamp()
_TEN_YEARS: Final = 3652 * DAY
_ALWAYS: Final = (datetime(2014, 1, 1, tzinfo=UTC).timestamp(), datetime(2049, 12, 31, tzinfo=UTC).timestamp())


@dataclass(frozen=True, slots=True)
class Line:
    """The issuers of one batch of devices, from the batch certificate upwards; ``top`` is issued by the root."""

    provisioning: str
    batch: SigningCertificate
    above: tuple[SigningCertificate, ...]

    @property
    def top(self) -> SigningCertificate:
        return self.above[-1]


@dataclass(frozen=True, slots=True)
class AndroidAuthority:
    """Issues batches of Android devices below one root. ``root_key`` may be EC or RSA, as Google's two are."""

    root_key: IssuerKey
    root_name: bytes
    root_certificate: bytes

    def factory_line(self, environment: str = TEE, *, batch_key: IssuerKey | None = None, number: int = 0) -> Line:
        """A batch that left the factory in 2018, ten years before its end. ``number`` tells batches apart."""
        label = f"factory {environment} {number}"
        intermediate_key = self._key(f"{label} intermediate", ec.SECP384R1())
        intermediate = SigningCertificate(
            intermediate_key,
            _issuer_template(
                self._serial(f"{label} intermediate"),
                self.root_name,
                self._factory_name(f"{label} intermediate", environment),
                intermediate_key,
                self.root_key,
                (_MADE, _MADE + _TEN_YEARS),
            ),
        )
        key = batch_key or self._key(label, ec.SECP256R1())
        batch = SigningCertificate(
            key,
            _issuer_template(
                self._serial(label),
                intermediate.name,
                self._factory_name(label, environment),
                key,
                intermediate_key,
                (_MADE, _MADE + _TEN_YEARS),
            ),
        )
        return Line(FACTORY, batch, (intermediate,))

    def rkp_line(self, environment: str = TEE, *, now: float, number: int = 0) -> Line:
        """A remotely provisioned batch: 'Droid CA2' for years, 'Droid CA3' for ten weeks, the device for four."""
        ca2_key = self._key("Droid CA2", ec.SECP384R1())
        ca2_name = name(("O", "Google LLC"), ("CN", "Droid CA2"))
        ca2 = SigningCertificate(
            ca2_key,
            _issuer_template(
                self._serial("Droid CA2"), self.root_name, ca2_name, ca2_key, self.root_key, _ALWAYS, path_length=2
            ),
        )
        ca3_key = self._key("Droid CA3", ec.SECP256R1())
        ca3_name = name(("O", "Google LLC"), ("CN", "Droid CA3"))
        ca3_from = now - now % (70 * DAY)
        ca3 = SigningCertificate(
            ca3_key,
            _issuer_template(
                self._serial(f"Droid CA3 {ca3_from}"),
                ca2_name,
                ca3_name,
                ca3_key,
                ca2_key,
                (ca3_from - DAY, ca3_from + 72 * DAY),
            ),
        )
        label = f"rkp {environment} {number}"
        key = self._key(label, ec.SECP256R1())
        serial = self._serial(label)
        template = _issuer_template(
            serial,
            ca3_name,
            name(("CN", f"{serial:032x}"), ("O", environment)),
            key,
            ca3_key,
            (now - 7 * DAY, now + 21 * DAY),
        )
        # {1: 16, 3: "Bonafide"}: sixteen certificates issued to this device's maker so far.
        info = Extension(PROVISIONING_INFO, b"\xa2\x01\x10\x03\x68Bonafide")
        return Line(RKP, SigningCertificate(key, template.with_extension(info)), (ca3, ca2))

    def _factory_name(self, label: str, environment: str) -> bytes:
        return name(("serialNumber", f"{self._serial(label) & (1 << 64) - 1:016x}"), ("title", environment))

    def _serial(self, label: str) -> int:
        return int.from_bytes(b"\x5a" + self.drawn(f"serial {label}")(15))

    def _key(self, label: str, curve: ec.EllipticCurve) -> ec.EllipticCurvePrivateKey:
        return new_private_key(curve, self.drawn(f"key {label}"))

    def drawn(self, label: str) -> RandomBytes:
        """Bytes that follow from the root's key and ``label``: for keys that need not be kept."""
        return _expand(
            self.root_key.private_bytes(
                serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
            label,
        )


def _expand(secret: bytes, label: str) -> Callable[[int], bytes]:
    """Bytes that follow from ``secret`` and ``label`` alone: HMAC-SHA-512 in counter mode (SP 800-108)."""

    def draw(count: int) -> bytes:
        blocks = (hmac.digest(secret, f"{label} {i}".encode(), "sha512") for i in range(-(-count // 64)))
        return b"".join(blocks)[:count]

    return draw


def _issuer_template(
    serial: int,
    issuer: bytes,
    subject: bytes,
    key: IssuerKey,
    issuer_key: IssuerKey,
    dates: tuple[float, float],
    *,
    path_length: int | None = None,
) -> CertificateTemplate:
    spki = spki_of(key)
    return CertificateTemplate(
        serial=serial,
        issuer=issuer,
        subject=subject,
        not_before=dates[0],
        not_after=dates[1],
        spki=spki,
        digest="sha256",
        extensions=(
            *identifiers(key, issuer_key),
            basic_constraints(ca=True, path_length=path_length),
            key_usage(KEY_CERT_SIGN | CRL_SIGN if path_length is not None else KEY_CERT_SIGN),
        ),
    )


NOT_A_CA: Final = (basic_constraints(ca=False), key_usage(DIGITAL_SIGNATURE))
"""The two extensions of a batch certificate that does not claim to be a CA, as a quarter of genuine ones have them."""
