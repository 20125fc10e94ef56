"""Prints what App Attest evidence costs to verify, beside the raw signature checks that are the lower bound.

``python -m tests.benchmarks.bench_apple``. Evidence is minted; where real cases are present, one of them is timed as
well. pyattest verifies the same minted evidence in the same run when an environment has it: this one, or
``.venv-peers`` (``python -m venv .venv-peers`` and ``pip install --no-deps --require-hashes -r
requirements/peers.txt``). Never fails on a number.
"""

from __future__ import annotations

import json
import platform
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import cryptography
from attestation.apple.assertion import verify_assertion
from attestation.apple.attestation import read_attestation_object, verify_attestation
from attestation.apple.authenticator_data import read_attestation_data
from attestation.apple.receipt import verify_receipt
from attestation.attested_key import AttestedKey
from attestation.encoding.certificate import read_certificate
from attestation.encoding.chain import LinkCache, issuer_key
from attestation.endorsements import Endorsements, TrustAnchor, pinned_endorsements
from attestation.evidence import AppleAssertion, AppleAttestation, AppleReceipt
from attestation.reference_values import AppleReferenceValues
from bonafide_tokens.jose import b64url_decode, public_key_from_point
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from bonafide.conformance.case_file import timestamp
from devkit.devices.apple.generations import GENERATIONS
from devkit.devices.apple.iphone import SoftwareIphone
from devkit.devices.authority.authority import DeviceAuthority
from tests.benchmarks.extent import ROOT, budget
from tests.benchmarks.timing import Call, medians
from tests.real_cases import cases_folder

P256, P384 = "raw ECDSA P-256 verify", "raw ECDSA P-384 verify"
ES256 = ec.ECDSA(hashes.SHA256())

BUDGETS = {  # row → floor, most times the floor (ARCHITECTURE: 0.65 and 1.2 ms where the floor is 0.47 ms)
    "attestation, issuing CA seen before": (P384, 0.65 / 0.47),
    "attestation, cold": (P384, 1.2 / 0.47),
    "assertion": (P256, 1.6),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One device's evidence and what it is judged against."""

    attestation: bytes
    client_data_hash: bytes
    reference_values: AppleReferenceValues
    endorsements: Endorsements
    now: float

    def rows(self) -> dict[str, Call]:
        """The timed calls. The floor is the very signature of this leaf."""
        links, evidence = LinkCache(), AppleAttestation(self.attestation)
        parts = read_attestation_object(self.attestation)
        leaf, issuer = (read_certificate(certificate) for certificate in parts.x5c[:2])
        key = issuer_key(issuer.spki)
        assert isinstance(key, ec.EllipticCurvePublicKey)
        credential = read_attestation_data(parts.authenticator_data).credential
        assert credential is not None

        def attestation(cache: LinkCache) -> object:
            return verify_attestation(
                evidence,
                client_data_hash=self.client_data_hash,
                reference_values=self.reference_values,
                endorsements=self.endorsements,
                now=self.now,
                links=cache,
            )

        def receipt(cache: LinkCache) -> object:
            return verify_receipt(
                AppleReceipt(parts.receipt),
                attested_public_key=credential.public_key,
                reference_values=self.reference_values,
                endorsements=self.endorsements,
                now=self.now,
                links=cache,
            )

        return {
            P384: lambda: key.verify(leaf.signature, leaf.tbs, ES256),
            "attestation, issuing CA seen before": lambda: attestation(links),
            "attestation, cold": lambda: attestation(LinkCache()),
            "receipt, issuing CA seen before": lambda: receipt(links),
            "receipt, cold": lambda: receipt(LinkCache()),
        }


def _minted(phone: SoftwareIphone, key_id: str, client_data_hash: bytes) -> Evidence:
    anchor = TrustAnchor.of(read_certificate(phone.authority.root_certificate))
    return Evidence(
        attestation=phone.attest_key(key_id, client_data_hash),
        client_data_hash=client_data_hash,
        reference_values=AppleReferenceValues(app_ids=(phone.app_id,)),
        endorsements=pinned_endorsements().with_development_anchors([anchor]),
        now=phone.clock(),
    )


def _assertion_rows(phone: SoftwareIphone, key_id: str, evidence: Evidence) -> dict[str, Call]:
    point = phone.keys[key_id].point
    assertion = phone.generate_assertion(key_id, evidence.client_data_hash)
    draft = phone.assertion_draft(key_id, evidence.client_data_hash)
    signature, message = draft.sign(), sha256(draft.authenticator_data + evidence.client_data_hash).digest()
    loaded = public_key_from_point(point).key
    stored = AttestedKey(public_key=point, counter=0, apple_app_id=phone.app_id)
    return {
        P256: lambda: loaded.verify(signature, message, ES256),
        "raw P-256 key from its point": lambda: public_key_from_point(point),
        "assertion": lambda: verify_assertion(
            AppleAssertion(assertion),
            client_data_hash=evidence.client_data_hash,
            reference_values=evidence.reference_values,
            attested_key=stored,
        ),
    }


def _real() -> Evidence | None:
    folder = cases_folder("apple")
    path = folder / "apple-guide-2024" / "attestation.json" if folder else None
    if path is None or not path.is_file():
        return None
    case = json.loads(path.read_text("utf-8"))
    return Evidence(
        attestation=b64url_decode(case["evidence"]["attestation_object"]),
        client_data_hash=b64url_decode(case["client_data_hash"]),
        reference_values=AppleReferenceValues(app_ids=tuple(case["reference_values"]["apple"]["app_ids"])),
        endorsements=pinned_endorsements(),
        now=timestamp(case["at"]) + 86_400,  # so that its receipt is in the past as well
    )


def _peer(phone: SoftwareIphone, key_id: str, nonce: bytes, evidence: Evidence) -> Mapping[str, float] | None:
    """pyattest's medians for the same evidence, from the first environment that has it."""
    given = {
        "attestation": evidence.attestation.hex(),
        "assertion": phone.generate_assertion(key_id, evidence.client_data_hash).hex(),
        "client_data_hash": evidence.client_data_hash.hex(),
        "public_key": phone.keys[key_id].point.hex(),
        "key_id": phone.keys[key_id].identifier.hex(),
        "nonce": nonce.hex(),
        "app_id": phone.app_id,
        "root": phone.authority.root_certificate_pem,
    }
    script = Path(__file__).with_name("peer_pyattest.py")
    for python in (sys.executable, str(ROOT / ".venv-peers" / "bin" / "python")):
        if not Path(python).exists():
            continue
        ran = subprocess.run([python, script], input=json.dumps(given), capture_output=True, text=True, check=False)
        if ran.returncode == 0:
            figures: Mapping[str, float] = json.loads(ran.stdout)
            return figures
        if ran.returncode != 3:
            print(f"pyattest failed: {ran.stderr.strip().splitlines()[-1]}", file=sys.stderr)
    return None


def _print(title: str, figures: Mapping[str, float], floors: Mapping[str, float]) -> None:
    print(f"\n{title}\n{'':<44} {'µs':>9}  {'× floor':>8}  budget")
    for name, microseconds in figures.items():
        floor = P256 if "assertion" in name or "P-256" in name else P384
        floor, most = BUDGETS.get(name, (floor, None))
        times = microseconds / floors[floor]
        limit = "" if most is None else budget(f"≤ {most:.2f} × {floor}", times, most)
        print(f"{name:<44} {microseconds:>9.1f}  {times:>8.2f}  {limit}")


def main() -> None:
    """Print the tables."""
    nonce = secrets.token_bytes(32)
    phone = SoftwareIphone(
        authority=DeviceAuthority.create(),
        app_id="ABCDE12345.org.example.demo",
        generation=GENERATIONS["ios-27"],
        clock=time.time,
    )
    key_id = phone.generate_key()
    evidence = _minted(phone, key_id, sha256(nonce).digest())
    print(f"Python {platform.python_version()}, cryptography {cryptography.__version__}, {platform.machine()}")
    figures = medians(evidence.rows() | _assertion_rows(phone, key_id, evidence))
    peer = _peer(phone, key_id, nonce, evidence)
    if peer is not None:
        for kind in ("attestation", "assertion"):
            figures[f"pyattest {peer['version']}, {kind}"] = peer[kind]
    _print("Minted evidence of iOS 27", figures, figures)
    if peer is None:
        print("pyattest is not installed here nor in .venv-peers: no comparison")
    real = _real()
    if real is None:
        print("\nno real case files on this machine")
    else:
        real_figures = medians(real.rows())
        _print("Apple's own published sample (iOS 18)", real_figures, real_figures)


if __name__ == "__main__":
    main()
