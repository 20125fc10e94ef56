"""What stands for Huawei below the device authority's test root: who issues HUKS certificates and integrity tokens.

Huawei has four roots; here one stands for all, as it does for the other vendors. Names say that it is software, but for
those by which a verifier knows an integrity token's signer. EC keys follow from the root's; the RSA key that signs
tokens for HMS Core and HarmonyOS 5 cannot, so each process draws its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

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
from devkit.devices.authority.der_writer import enumerated, integer, sequence, tlv

DAY: Final = 86_400.0
SIGNING_HOST: Final = "sysintegrity.platform.hicloud.com"
ENHANCED_SIGNER: Final = "Harmony OS Device Attestation Service"
DEVICE_SECURITY_LEVEL: Final = "1.3.6.1.4.1.2011.2.376.1.1"

_SOFTWARE: Final = ("O", "Bonafide Software Devices, not Huawei")
_VALIDITY: Final = (datetime(2014, 1, 1, tzinfo=UTC).timestamp(), datetime(2049, 12, 31, tzinfo=UTC).timestamp())


@dataclass(frozen=True, slots=True)
class IssuerLine:
    """Issuers, from the one above the leaf upwards; the root signs the last and may be sent along or not."""

    issuers: tuple[SigningCertificate, ...]
    root_key: IssuerKey
    root_certificate: bytes

    @property
    def first(self) -> SigningCertificate:
        """Who signs leaves."""
        return self.issuers[0]

    def chain(self, leaf: CertificateTemplate, *, root: bool = True) -> tuple[bytes, ...]:
        """The whole chain of a leaf, leaf first."""
        keys = [*(issuer.key for issuer in self.issuers), self.root_key]
        templates = [leaf, *(issuer.template for issuer in self.issuers)]
        signed = tuple(template.signed_by(key) for template, key in zip(templates, keys, strict=True))
        return (*signed, self.root_certificate) if root else signed


@dataclass(frozen=True, slots=True)
class HarmonyAuthority:
    """Issues what Huawei issues, below one root, whose key may be EC or RSA as Huawei's are."""

    root_key: IssuerKey
    root_name: bytes
    root_certificate: bytes

    def anonymous_line(self, *, offline: bool = False) -> IssuerLine:
        """The issuers of anonymous HUKS leaves: one sub-CA; ``offline`` has a CA of the device's own below it."""
        sub_ca = self._issuer("Device Anonymous Attestation CA 1", path_length=1)
        if not offline:
            return self._line(sub_ca)
        return self._line(self._issuer("Device Attestation Service", above=sub_ca, path_length=0), sub_ca)

    def device_line(self, *, security_level: int = 2) -> IssuerLine:
        """The issuers of non-anonymous HUKS leaves: the device's certificate, and the CA of its production line."""
        equipment = self._issuer("Equipment S2 CA", curve=ec.SECP384R1())
        device = self._issuer(
            "Device 00000000", above=equipment, path_length=0, usage=KEY_CERT_SIGN | DIGITAL_SIGNATURE
        )
        level = Extension(DEVICE_SECURITY_LEVEL, sequence(integer(1), enumerated(security_level)))
        return self._line(SigningCertificate(device.key, device.template.with_extension(level)), equipment)

    def integrity_line(self) -> IssuerLine:
        """The issuer of the certificates that sign for HMS Core and HarmonyOS 5."""
        return self._line(self._issuer("Integrity Service CA", path_length=0))

    def host_signer(self, host: str = SIGNING_HOST) -> SigningCertificate:
        """The service that signs for HMS Core and HarmonyOS 5: an RSA key, a host name as common and as DNS name."""
        alternative = Extension("2.5.29.17", sequence(tlv(0x82, host.encode("ascii"))))
        key = rsa_key("service")
        leaf = self._leaf(key, name(("CN", host), _SOFTWARE), self.integrity_line().first)
        return SigningCertificate(key, leaf.with_extension(alternative))

    def enhanced_signer(self, common_name: str = ENHANCED_SIGNER) -> SigningCertificate:
        """The service that signs for HarmonyOS 6: a P-256 key under the CA that issues anonymous HUKS leaves, too."""
        key = self.key("integrity enhanced", ec.SECP256R1())
        return SigningCertificate(
            key, self._leaf(key, name(("CN", common_name), _SOFTWARE), self.anonymous_line().first)
        )

    def developer(self) -> SigningCertificate:
        """The certificate of an app's developer, as every AppGallery account has one, under the very same roots."""
        key = rsa_key("developer")
        return SigningCertificate(
            key, self._leaf(key, name(("CN", "A Developer, Release"), _SOFTWARE), self.integrity_line().first)
        )

    def key(self, label: str, curve: ec.EllipticCurve) -> ec.EllipticCurvePrivateKey:
        """A key that follows from the root's and ``label``."""
        return new_private_key(curve, self._drawn(label))

    def _line(self, *issuers: SigningCertificate) -> IssuerLine:
        return IssuerLine(issuers, self.root_key, self.root_certificate)

    def _issuer(
        self,
        role: str,
        *,
        above: SigningCertificate | None = None,
        path_length: int | None = None,
        curve: ec.EllipticCurve | None = None,
        usage: int = KEY_CERT_SIGN | CRL_SIGN,
    ) -> SigningCertificate:
        key = self.key(role, curve or ec.SECP256R1())
        issuer_key = above.key if above else self.root_key
        template = CertificateTemplate(
            serial=self._serial(role),
            issuer=above.name if above else self.root_name,
            subject=name(_SOFTWARE, ("CN", f"Bonafide Software {role}")),
            not_before=_VALIDITY[0],
            not_after=_VALIDITY[1],
            spki=spki_of(key),
            digest="sha384" if above is None else "sha256",
            extensions=(
                *identifiers(key, issuer_key),
                basic_constraints(ca=True, path_length=path_length),
                key_usage(usage),
            ),
        )
        return SigningCertificate(key, template)

    def _leaf(self, key: IssuerKey, subject: bytes, issuer: SigningCertificate) -> CertificateTemplate:
        return CertificateTemplate(
            serial=self._serial(subject.hex()),
            issuer=issuer.name,
            subject=subject,
            not_before=_VALIDITY[0],
            not_after=_VALIDITY[1],
            spki=spki_of(key),
            digest="sha256",
            extensions=(basic_constraints(ca=False), key_usage(DIGITAL_SIGNATURE)),
        )

    def _serial(self, label: str) -> int:
        return int.from_bytes(b"\x48" + self._drawn(f"serial {label}")(15))

    def _drawn(self, label: str) -> RandomBytes:
        secret = self.root_key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return _expand(secret, label)


def _expand(secret: bytes, label: str) -> Callable[[int], bytes]:
    return lambda count: HKDFExpand(hashes.SHA512(), count, f"harmony {label}".encode()).derive(secret)


@cache
def rsa_key(holder: str) -> rsa.RSAPrivateKey:
    """The RSA key of ``holder`` (``service``, ``developer``) in this process."""
    del holder  # one key to each
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
