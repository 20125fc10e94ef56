"""Prints what HarmonyOS evidence costs to verify, beside the raw signature checks that are the lower bound.

``python -m tests.benchmarks.bench_harmony``. Evidence is minted; where real cases are present, Huawei's own published
chain is timed as well. "Seen" is a process that has verified the issuers before, "cold" one that has not. There is no
peer to compare with: no other open verifier of these formats is known. Never fails on a number.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import cryptography
from attestation.claims import Claims, HarmonyIntegrityClaims
from attestation.encoding import chain
from attestation.encoding import names as distinguished_name
from attestation.encoding.certificate import Certificate, read_certificate
from attestation.encoding.chain import LinkCache
from attestation.endorsements import Endorsements, TrustAnchor, pinned_endorsements
from attestation.evidence import (
    AttestationKind,
    HarmonyDeviceIntegrity,
    HarmonyKeyAttestation,
    IntegrityProfile,
)
from attestation.harmony.attestation_extension import read_statement
from attestation.harmony.device_integrity import verify_device_integrity
from attestation.harmony.integrity_token import read_token
from attestation.harmony.key_attestation import verify_key_attestation
from attestation.reference_values import HarmonyReferenceValues
from bonafide_tokens.jose import b64url_decode
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from bonafide.conformance.case_file import read_case
from bonafide.conformance.harmony_case_runners import harmony_endorsements, harmony_reference_values
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.authority.certificate_template import spki_of
from devkit.devices.harmony.device import SoftwareHarmony
from tests.benchmarks.timing import Call, medians
from tests.real_cases import cases_folder

P256, P384, RSA2048 = "raw ECDSA P-256 verify", "raw ECDSA P-384 verify", "raw RSA-2048 verify"
ES256 = ec.ECDSA(hashes.SHA256())
BUNDLE, DIGEST = "org.example.demo", sha256(b"client data").digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What evidence is judged against."""

    client_data_hash: bytes
    reference_values: HarmonyReferenceValues
    endorsements: Endorsements
    now: float

    def chain(self, certificates: tuple[bytes, ...], kind: AttestationKind, links: LinkCache) -> Claims:
        return verify_key_attestation(
            HarmonyKeyAttestation(certificates, kind),
            client_data_hash=self.client_data_hash,
            reference_values=self.reference_values,
            endorsements=self.endorsements,
            now=self.now,
            links=links,
        )

    def token(self, evidence: HarmonyDeviceIntegrity, links: LinkCache) -> HarmonyIntegrityClaims:
        return verify_device_integrity(
            evidence,
            client_data_hash=self.client_data_hash,
            reference_values=self.reference_values,
            endorsements=self.endorsements,
            now=self.now,
            links=links,
        )


def forget() -> None:
    """Empty what a process remembers of issuers: keys loaded, names compared."""
    chain.issuer_key.cache_clear()
    distinguished_name._normalised.cache_clear()


def _verify(pairs: Sequence[tuple[Certificate, bytes]]) -> None:
    for certificate, spki in pairs:
        chain.verify_signature(certificate, spki)


def _signatures(certificates: tuple[bytes, ...], count: int) -> Call:
    """The first ``count`` certificate signatures of a chain that ends in its root, and nothing else."""
    path = [read_certificate(certificate) for certificate in certificates]
    pairs = list(zip(path, [above.spki for above in path[1:]], strict=False))[:count]
    return lambda: _verify(pairs)


def chain_rows(
    label: str, certificates: tuple[bytes, ...], expected: Expected, kind: AttestationKind = AttestationKind.ANONYMOUS
) -> dict[str, Call]:
    """One HUKS chain, root last."""
    links, leaf = LinkCache(), read_certificate(certificates[0])

    def cold() -> object:
        forget()
        return expected.chain(certificates, kind, LinkCache())

    return {
        f"{label}: seen": lambda: expected.chain(certificates, kind, links),
        f"{label}: cold": cold,
        f"{label}: its leaf signature alone": _signatures(certificates, 1),
        f"{label}: all its signatures alone": _signatures(certificates, len(certificates) - 1),
        f"{label}: reading the statement": lambda: read_statement(leaf),
    }


def token_rows(profile: IntegrityProfile, token: str, expected: Expected) -> dict[str, Call]:
    """One SysIntegrity token. Its floor is two signatures: the signer's certificate, and the token."""
    links, evidence = LinkCache(), HarmonyDeviceIntegrity(profile, token)
    leaf, issuer = read_token(token, profile).certificates[:2]

    def cold() -> object:
        forget()
        return expected.token(evidence, LinkCache())

    return {
        f"integrity {profile}: seen": lambda: expected.token(evidence, links),
        f"integrity {profile}: cold": cold,
        f"integrity {profile}: the signer's certificate alone": lambda: chain.verify_signature(leaf, issuer.spki),
        f"integrity {profile}: reading the token": lambda: read_token(token, profile),
    }


def _floors() -> dict[str, Call]:
    message = b"to be signed"
    p256, p384 = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
    by_p256, by_p384 = p256.sign(message, ES256), p384.sign(message, ES256)
    of_p256, of_p384 = p256.public_key(), p384.public_key()
    rsa_key = rsa.generate_private_key(65537, 2048)
    by_rsa, of_rsa = rsa_key.sign(message, PKCS1v15(), hashes.SHA256()), rsa_key.public_key()
    return {
        P256: lambda: of_p256.verify(by_p256, message, ES256),
        P384: lambda: of_p384.verify(by_p384, message, ES256),
        RSA2048: lambda: of_rsa.verify(by_rsa, message, PKCS1v15(), hashes.SHA256()),
    }


def _minted() -> dict[str, Call]:
    authority, now = DeviceAuthority.create(), time.time()
    device = SoftwareHarmony(
        authority=authority.harmony,
        bundle_name=BUNDLE,
        signer=ec.generate_private_key(ec.SECP256R1()).public_key(),
        clock=lambda: now,
    )
    anchor = TrustAnchor.of(read_certificate(authority.root_certificate))
    expected = Expected(
        client_data_hash=DIGEST,
        reference_values=HarmonyReferenceValues(bundle_names=(BUNDLE,), app_ids=(device.app_id, device.agc_app_id)),
        endorsements=pinned_endorsements().with_development_anchors([anchor]),
        now=now,
    )
    spki = spki_of(device.generate_key())
    named = device.draft(spki, DIGEST, kind=AttestationKind.NON_ANONYMOUS).chain()
    rows = chain_rows("anonymous", device.draft(spki, DIGEST).chain(), expected)
    rows |= chain_rows("offline", device.draft(spki, DIGEST, offline=True).chain(), expected)
    rows |= chain_rows("non-anonymous", named, expected, AttestationKind.NON_ANONYMOUS)
    for profile in IntegrityProfile:
        device.profile = profile
        rows |= token_rows(profile, device.check_integrity(DIGEST), expected)
    return rows


def _real() -> dict[str, Call]:
    folder = cases_folder("harmony")
    path = folder / "huks" / "real-anonymous-2025.json" if folder else None
    if path is None or not path.is_file():
        return {}
    case = read_case(json.loads(path.read_text("utf-8")))
    expected = Expected(
        client_data_hash=case.client_data_hash or b"",
        reference_values=harmony_reference_values(case),
        endorsements=harmony_endorsements(case),
        now=case.at,
    )
    certificates = tuple(map(b64url_decode, case.evidence["certificate_chain"]))
    return chain_rows("anonymous, real", certificates, expected)


def _print(title: str, figures: Mapping[str, float]) -> None:
    print(f"\n{title}\n{'':<54} {'µs':>9}  {'× P-256':>8}")
    for row, microseconds in figures.items():
        print(f"{row:<54} {microseconds:>9.1f}  {microseconds / figures[P256]:>8.2f}")


def main() -> None:
    """Print the tables."""
    print(f"Python {platform.python_version()}, cryptography {cryptography.__version__}, {platform.machine()}")
    _print("Minted evidence, under a P-384 root as Huawei's ECC roots are", medians(_floors() | _minted()))
    real = _real()
    if real:
        _print("Huawei's own published chain (2025)", medians(_floors() | real))
    else:
        print("\nno real case files on this machine")


if __name__ == "__main__":
    main()
