"""Prints what Android evidence costs to verify, beside the raw signature checks that are the lower bound.

``python -m tests.benchmarks.bench_android``. Chains are minted: remotely provisioned under a P-384 root, as Google's of
2026, and factory under an RSA-4096 root, as all before; where real cases are present, two of them are timed as well.
py_webauthn verifies a minted android-key registration in the same run when an environment has it: this one, or
``.venv-peers`` (see ``bench_apple``). Never fails on a number.

"Intermediates seen" is a device's second visit, or another device of its batch; "batch new" a device whose batch
certificate was never seen, under CAs that were; "cold" a process that has seen nothing.
"""

from __future__ import annotations

import json
import platform
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import cbor2
import cryptography
from attestation.android import device_chain
from attestation.android import key_description as described
from attestation.android.key_attestation import verify_key_attestation
from attestation.android.play_integrity import verify_play_integrity
from attestation.android.revocation import StatusList
from attestation.attested_key import AttestedKey
from attestation.claims import Claims
from attestation.encoding import chain
from attestation.encoding import names as distinguished_name
from attestation.encoding.certificate import read_certificate
from attestation.encoding.chain import LinkCache
from attestation.endorsements import Endorsements, TrustAnchor, pinned_endorsements
from attestation.evidence import AndroidKeyAttestation, KeySignature, PlayIntegrityToken
from attestation.key_signature import verify_key_signature
from attestation.reference_values import AndroidReferenceValues
from bonafide_tokens.jose import b64url_decode, b64url_encode
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from bonafide.conformance.android_case_runners import android_endorsements, android_reference_values
from bonafide.conformance.case_file import read_case
from devkit.devices.android.device import SoftwareAndroid
from devkit.devices.android.key_description import SIGN, integers
from devkit.devices.android.play_integrity import ResponseKeys, verdict
from devkit.devices.android.releases import RELEASES
from devkit.devices.apple.app_attestation import cose_key
from devkit.devices.authority.android import AndroidAuthority
from devkit.devices.authority.authority import DeviceAuthority
from devkit.devices.authority.certificate_template import (
    CertificateTemplate,
    basic_constraints,
    key_usage,
    name,
    spki_of,
)
from tests.benchmarks.extent import ROOT, budget
from tests.benchmarks.timing import Call, medians
from tests.real_cases import cases_folder

PACKAGE, SIGNER = "org.example.demo", sha256(b"signer").digest()
ES256 = ec.ECDSA(hashes.SHA256())
BUDGETS = {"seen": 400.0, "cold": 1600.0, "decode": 35.0}
"""Microseconds where a raw P-256 verification takes 62 and a P-384 one 470."""
REAL = {"RKP (Pixel 9 Pro, real)": "android-keyattestation/caiman/sdk36/TEE_EC_RKP",
        "RKP, 2026 root (Pixel 9a, real)": "android-keyattestation/tegu/sdk36/SB_EC_2026_ROOT",
        "factory (Pixel 5, real)": "grapheneos-attestationsamples/Pixel_5/tee"}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One device's chain and what it is judged against."""

    certificates: tuple[bytes, ...]
    client_data_hash: bytes
    reference_values: AndroidReferenceValues
    endorsements: Endorsements
    now: float

    def verify(self, links: LinkCache) -> Claims:
        return verify_key_attestation(
            AndroidKeyAttestation(self.certificates),
            client_data_hash=self.client_data_hash,
            reference_values=self.reference_values,
            endorsements=self.endorsements,
            now=self.now,
            links=links,
        )

    def rows(self, label: str) -> dict[str, Call]:
        links = LinkCache()
        leaf, batch, *above = map(read_certificate, self.certificates)
        extension = leaf.extensions[described.EXTENSION].value

        def batch_new() -> object:
            fresh = LinkCache()
            fresh._links.update({link: None for link in links._links if link[0] != batch.raw})
            return self.verify(fresh)

        def cold() -> object:
            forget()
            return self.verify(LinkCache())

        self.verify(links)
        anchors = self.endorsements.android_attestation
        path = [leaf, batch, *above]
        if any(anchor.spki == path[-1].spki for anchor in anchors):
            top_issuer = path.pop().spki
        else:
            top_issuer = next(anchor.spki for anchor in anchors if anchor.subject == path[-1].issuer)
        issuers = [*(certificate.spki for certificate in path[1:]), top_issuer]

        def signatures(count: int) -> Call:
            pairs = list(zip(path, issuers, strict=True))[:count]

            def verify_all() -> None:
                for certificate, spki in pairs:
                    chain.verify_signature(certificate, spki)

            return verify_all

        return {
            f"{label}: intermediates seen": lambda: self.verify(links),
            f"{label}: batch new": batch_new,
            f"{label}: cold": cold,
            f"{label}: its leaf signature alone": signatures(1),
            f"{label}: all its signatures alone": signatures(len(path)),
            f"{label}: KeyDescription decode": lambda: described.read_key_description(extension),
        }


def forget() -> None:
    """Empty what a process remembers of issuers: certificates read, keys loaded, names compared."""
    for remembered in (
        device_chain._read_issuer,
        device_chain._provisioning,
        device_chain._names,
        device_chain._read_info,
        chain.issuer_key,
        distinguished_name._normalised,
    ):
        remembered.cache_clear()


def _rsa_authority() -> AndroidAuthority:
    """A root like Google's first: RSA-4096, named by a serial number."""
    key = rsa.generate_private_key(65537, 4096)
    subject = name(("serialNumber", "f92009e853b6b0aa"))
    root = CertificateTemplate(
        serial=7,
        issuer=subject,
        subject=subject,
        not_before=time.time() - 1e8,
        not_after=time.time() + 1e8,
        spki=spki_of(key),
        digest="sha256",
        extensions=(basic_constraints(ca=True), key_usage(4)),
    ).signed_by(key)
    return AndroidAuthority(key, subject, root)


def _phone(authority: AndroidAuthority, release: str) -> SoftwareAndroid:
    return SoftwareAndroid(authority=authority, package=PACKAGE, signer=SIGNER, release=RELEASES[release])


def _minted(phone: SoftwareAndroid, digest: bytes) -> Evidence:
    anchor = TrustAnchor.of(read_certificate(phone.authority.root_certificate))
    now = time.time()
    return Evidence(
        certificates=phone.attest_key(phone.generate_key(), digest),
        client_data_hash=digest,
        reference_values=AndroidReferenceValues(packages=(PACKAGE,), signing_digests=frozenset({SIGNER})),
        endorsements=pinned_endorsements()
        .with_development_anchors([anchor])
        .with_android_status(
            StatusList({f"{i:x}": "REVOKED" for i in range(1 << 40, (1 << 40) + 500)}, now), max_age=1e9
        ),
        now=now,
    )


def _real() -> dict[str, Evidence]:
    folder = cases_folder("android")
    found = {}
    for label, path in REAL.items() if folder else ():
        file = Path(str(folder)) / f"{path}.json"
        if not file.is_file():
            continue
        case = read_case(json.loads(file.read_text("utf-8")))
        found[label] = Evidence(
            certificates=tuple(map(b64url_decode, case.evidence["certificate_chain"])),
            client_data_hash=case.client_data_hash or b"",
            reference_values=android_reference_values(case),
            endorsements=android_endorsements(case),
            now=case.at,
        )
    return found


def _floors() -> dict[str, Call]:
    message = b"to be signed"
    rows: dict[str, Call] = {}
    for label, curve in (("P-256", ec.SECP256R1()), ("P-384", ec.SECP384R1())):
        key = ec.generate_private_key(curve)
        signature, public = key.sign(message, ES256), key.public_key()
        rows[f"raw ECDSA {label} verify"] = lambda public=public, s=signature: public.verify(s, message, ES256)  # type: ignore[misc]
    rsa_key = rsa.generate_private_key(65537, 4096)
    rsa_signature, rsa_public = rsa_key.sign(message, PKCS1v15(), hashes.SHA256()), rsa_key.public_key()
    rows["raw RSA-4096 verify"] = lambda: rsa_public.verify(rsa_signature, message, PKCS1v15(), hashes.SHA256())
    return rows


def _other_rows(phone: SoftwareAndroid, evidence: Evidence) -> dict[str, Call]:
    """Renewal and a classic Play Integrity token."""
    key = phone.generate_key()
    client_data = b'{"challenge":"..."}'
    digest = sha256(client_data).digest()
    claims = evidence.verify(LinkCache())
    point = b"\x04" + b"".join(n.to_bytes(32) for n in _coordinates(key))
    stored = AttestedKey(public_key=point, claims=claims)
    signature = KeySignature(phone.sign(key, client_data))
    keys = ResponseKeys.create()
    now = time.time()
    token = PlayIntegrityToken(
        keys.classic_token(verdict(package=PACKAGE, signer=SIGNER, now=now, nonce=b64url_encode(digest)))
    )
    expected = AndroidReferenceValues(
        packages=(PACKAGE,), signing_digests=frozenset({SIGNER}), play_integrity=(keys.ours,)
    )
    return {
        "key signature (renewal)": lambda: verify_key_signature(
            signature, client_data_hash=digest, attested_key=stored
        ),
        "Play Integrity, classic token": lambda: verify_play_integrity(
            token, client_data_hash=digest, reference_values=expected, now=now
        ),
    }


def _coordinates(key: ec.EllipticCurvePrivateKey) -> tuple[int, int]:
    numbers = key.public_key().public_numbers()
    return numbers.x, numbers.y


def _peer(authority: DeviceAuthority) -> Mapping[str, Any] | None:
    """py_webauthn's median for an android-key registration of such a device, from the first environment that has it."""
    challenge, rp_id, origin = secrets.token_bytes(32), "example.org", "https://example.org"
    client_data = json.dumps(
        {"type": "webauthn.create", "challenge": b64url_encode(challenge), "origin": origin}
    ).encode("ascii")
    digest = sha256(client_data).digest()
    phone = _phone(authority.android, "galaxy-s24")
    key = phone.generate_key()
    data = sha256(rp_id.encode()).digest() + b"\x45" + bytes(4 + 16) + b"\0\4\1\2\3\4" + cose_key(key.public_key())
    draft = phone.draft(spki_of(key), digest)
    for_signing = draft.description.with_hardware({1: integers(SIGN)})  # py_webauthn refuses a key that may verify, too
    chain_of_key = list(replace(draft, description=for_signing).chain())
    statement = {"alg": -7, "sig": key.sign(data + digest, ES256), "x5c": chain_of_key}
    given = {
        "attestation_object": cbor2.dumps({"fmt": "android-key", "attStmt": statement, "authData": data}).hex(),
        "client_data_json": client_data.hex(),
        "challenge": challenge.hex(),
        "rp_id": rp_id,
        "origin": origin,
        "root": authority.root_certificate_pem,
    }
    script = Path(__file__).with_name("peer_webauthn.py")
    for python in (sys.executable, str(ROOT / ".venv-peers" / "bin" / "python")):
        if not Path(python).exists():
            continue
        ran = subprocess.run([python, script], input=json.dumps(given), capture_output=True, text=True, check=False)
        if ran.returncode == 0:
            figures: Mapping[str, Any] = json.loads(ran.stdout)
            return figures
        if ran.returncode != 3:
            print(f"webauthn failed: {ran.stderr.strip().splitlines()[-1]}", file=sys.stderr)
    return None


def _print(title: str, figures: Mapping[str, float], floors: Mapping[str, float]) -> None:
    """Budgets are scaled by what the floors take now: on a machine that is busy or slower they move with it."""
    p256 = floors["raw ECDSA P-256 verify"]
    scale = {"seen": p256 / 62, "decode": p256 / 62, "cold": floors["raw ECDSA P-384 verify"] / 470}
    print(f"\n{title}\n{'':<58} {'µs':>9}  {'× P-256':>8}  budget, µs (here and now)")
    for row, microseconds in figures.items():
        kind = row.rsplit(" ", 1)[1]
        most = BUDGETS[kind] * scale[kind] if kind in BUDGETS else None
        told = "" if most is None else budget(f"≤ {BUDGETS[kind]:.0f} (≤ {most:.0f})", microseconds, most)
        print(f"{row:<58} {microseconds:>9.1f}  {microseconds / p256:>8.2f}  {told}")


def main() -> None:
    """Print the tables."""
    digest = sha256(secrets.token_bytes(32)).digest()
    authority = DeviceAuthority.create()
    minted = {
        "RKP": _minted(_phone(authority.android, "galaxy-s24"), digest),
        "factory": _minted(_phone(_rsa_authority(), "pixel-5"), digest),
    }
    print(f"Python {platform.python_version()}, cryptography {cryptography.__version__}, {platform.machine()}")
    rows: dict[str, Call] = _floors()
    for label, evidence in minted.items():
        rows |= evidence.rows(label)
    rows |= _other_rows(_phone(authority.android, "galaxy-s24"), minted["RKP"])
    figures = medians(rows)
    peer = _peer(authority)
    if peer is not None:
        figures[f"py_webauthn {peer['version']}, android-key of the RKP device"] = peer["registration"]
    _print("Minted chains: RKP under a P-384 root, factory under an RSA-4096 root", figures, figures)
    if peer is None:
        print("webauthn is not installed here nor in .venv-peers: no comparison")
    real = _real()
    if not real:
        print("\nno real case files on this machine")
        return
    real_rows: dict[str, Call] = {}
    for label, evidence in real.items():
        real_rows |= evidence.rows(label)
    real_figures = medians(_floors() | real_rows)
    _print("Chains of real devices", real_figures, real_figures)


if __name__ == "__main__":
    main()
