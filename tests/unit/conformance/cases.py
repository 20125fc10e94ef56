"""Minted case files: one attestation, one assertion, one receipt that pass, to be altered."""

from __future__ import annotations

import copy
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from attestation.apple.attestation import read_attestation_object
from bonafide_tokens.jose import b64url_encode

from devkit.devices.apple.generations import GENERATIONS
from devkit.devices.apple.iphone import SoftwareIphone
from devkit.devices.authority.authority import DeviceAuthority

NOW = 1_780_000_000.0
APP_ID = "ABCDE12345.org.example.demo"
DIGEST = sha256(b"client data").digest()


def minted_cases(generation: str = "ios-27") -> dict[str, dict[str, Any]]:
    """Cases by name, under a test root given as ``trust_anchors``."""
    authority = DeviceAuthority.create()
    phone = SoftwareIphone(
        authority=authority, app_id=APP_ID, generation=GENERATIONS[generation], clock=lambda: NOW, category=2
    )
    key_id = phone.generate_key()
    key, root = phone.keys[key_id], authority.root_certificate_pem
    attestation = phone.attest_key(key_id, DIGEST)
    assertion = phone.generate_assertion(key_id, DIGEST)
    shared: dict[str, Any] = {
        "source": "minted",
        "at": "2026-05-28T20:26:40Z",
        "reference_values": {"apple": {"app_ids": ["ZZZZZ99999.org.example.other", APP_ID]}},
        "trust_anchors": {"apple-app-attest": [root], "apple-app-attest-receipt": root},
    }
    stored = {"public_key": key.point.hex(), "counter": 0}
    return {
        "attestation": {
            **shared,
            "case": "minted/attestation",
            "format": "apple-app-attest",
            "evidence": {"attestation_object": b64url_encode(attestation), "key_id": b64url_encode(key.identifier)},
            "client_data_hash": b64url_encode(DIGEST),
            "expect": {
                "outcome": "verified",
                "appraisal": "affirming-or-warning",
                "claims": {
                    "public_key": key.point.hex(),
                    "environment": "production",
                    "counter": 0,
                    "os_version": "27.0",
                    "validation_category": 2,
                    "bundle_version": "1",
                    "full_security": None,
                },
            },
        },
        "assertion": {
            **shared,
            "case": "minted/assertion",
            "format": "apple-app-attest-assertion",
            "evidence": {"assertion": b64url_encode(assertion)},
            "client_data_hash": b64url_encode(DIGEST),
            "attested_key": stored,
            "expect": {"outcome": "verified", "claims": {"counter": 1}},
        },
        "receipt": {
            **shared,
            "case": "minted/receipt",
            "format": "apple-app-attest-receipt",
            "evidence": {"receipt": b64url_encode(read_attestation_object(attestation).receipt)},
            "attested_key": stored,
            "expect": {
                "outcome": "verified",
                "claims": {
                    "type": "ATTEST",
                    "environment": "production",
                    "creation_time": "2026-05-28T20:26:40.000+00:00",
                    "expiration_time": "2026-08-26T20:26:40Z",
                    "not_before": None,
                    "risk_metric": None,
                },
            },
        },
    }


def altered(case: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """A copy of ``case`` with one value replaced; ``path`` names it as in ``expect.claims.counter``. ``None`` as value
    of a path that ends in ``-`` removes the key."""
    changed = copy.deepcopy(case)
    *parents, last = path.split(".")
    target = changed
    for parent in parents:
        target = target[parent]
    if last.endswith("-"):
        del target[last[:-1]]
    else:
        target[last] = value
    return changed


def flipped(text: str, position: int) -> str:
    """Base64url text with one character replaced."""
    return text[:position] + ("A" if text[position] != "A" else "B") + text[position + 1 :]


def write(folder: Path, name: str, members: object) -> Path:
    """Put a case into a folder."""
    path = folder / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(members if isinstance(members, str) else json.dumps(members), "utf-8")
    return path
