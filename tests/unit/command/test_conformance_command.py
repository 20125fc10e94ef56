"""``bonafide conformance``: lines for people, JSON for scripts, an exit code that can be trusted."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from bonafide_tokens.jose import b64url_encode
from typer.testing import Result

from devkit.devices.apple.iphone import SoftwareIphone
from devkit.devices.authority.authority import DeviceAuthority

Run = Callable[..., Result]
APP_ID = "ABCDE12345.org.example.demo"
NOW = 1_780_000_000.0


@pytest.fixture
def case(tmp_path: Path) -> dict[str, object]:
    """A minted case in the documented form, with the test root as its own trust anchor."""
    authority = DeviceAuthority.create()
    phone = SoftwareIphone(authority=authority, app_id=APP_ID, clock=lambda: NOW)
    client_data_hash = sha256(b"x").digest()
    attestation = phone.attest_key(phone.generate_key(), client_data_hash)
    return {
        "case": "minted/attestation",
        "format": "apple-app-attest",
        "at": datetime.fromtimestamp(NOW, UTC).isoformat(),
        "evidence": {"attestation_object": b64url_encode(attestation)},
        "client_data_hash": b64url_encode(client_data_hash),
        "reference_values": {"apple": {"app_ids": [APP_ID], "environments": ["production"]}},
        "trust_anchors": {"apple-app-attest": [authority.root_certificate_pem]},
        "expect": {"outcome": "verified"},
    }


def _write(folder: Path, case: dict[str, object]) -> Path:
    path = folder / "minted" / "attestation.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(case))
    return folder


def test_good_case_passes(bonafide: Run, tmp_path: Path, case: dict[str, object]) -> None:
    """One line for the case, a closing line, exit code 0."""
    result = bonafide("conformance", str(_write(tmp_path / "cases", case)))
    assert result.exit_code == 0, result.output
    assert "1 passed, 0 failed" in result.stdout


def test_altered_case_fails(bonafide: Run, tmp_path: Path, case: dict[str, object]) -> None:
    """The runner cannot be green whatever the evidence says."""
    altered = case | {"client_data_hash": b64url_encode(bytes(32))}
    result = bonafide("conformance", str(_write(tmp_path / "cases", altered)), "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert (report["passed"], report["failed"]) == (0, 1)


def test_missing_folder_is_one_sentence(bonafide: Run, tmp_path: Path) -> None:
    """A typing error must not look like "nothing failed"."""
    result = bonafide("conformance", str(tmp_path / "nowhere"))
    assert result.exit_code == 1
    assert "There is no file or folder" in result.stderr


def test_folder_without_cases_fails(bonafide: Run, tmp_path: Path) -> None:
    """No case is no proof."""
    (tmp_path / "empty").mkdir()
    assert bonafide("conformance", str(tmp_path / "empty")).exit_code == 1
