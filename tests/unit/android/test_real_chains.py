"""Chains of real devices, which stay outside the repository: all verdicts right, and the laws that hold for each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from attestation.android.key_attestation import verify_key_attestation
from attestation.android.revocation import StatusList
from attestation.claims import Claims
from attestation.encoding.certificate import read_certificate
from attestation.endorsements import Endorsements
from attestation.errors import AttestationError, Reason, RejectedEvidence
from attestation.evidence import AndroidKeyAttestation
from bonafide_tokens.jose import b64url_decode

from bonafide.conformance.android_case_runners import android_endorsements, android_reference_values
from bonafide.conformance.case_file import Case, read_case
from bonafide.conformance.run import run_conformance
from tests.real_cases import cases_folder, require_cases


def _genuine() -> list[Case]:
    folder = cases_folder("android")
    cases = (
        [read_case(json.loads(path.read_text("utf-8"))) for path in sorted(folder.rglob("*.json"))] if folder else []
    )
    return [case for case in cases if case.expect.outcome == "verified" and case.format == "android-key-attestation"]


CASES = _genuine()


def _chain(case: Case) -> tuple[bytes, ...]:
    return tuple(map(b64url_decode, case.evidence["certificate_chain"]))


def _verify(case: Case, chain: tuple[bytes, ...], endorsements: Endorsements | None = None) -> Claims:
    return verify_key_attestation(
        AndroidKeyAttestation(chain),
        client_data_hash=case.client_data_hash or b"",
        reference_values=android_reference_values(case),
        endorsements=endorsements or android_endorsements(case),
        now=case.at,
    )


def test_every_case_has_the_right_verdict() -> None:
    """Nothing is tuned to single files; held-back ones must pass as well."""
    report = run_conformance(require_cases("android"))
    assert report.results
    assert [(result.case, result.problems) for result in report.results if not result.passed] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_genuine_chain_says_the_same_without_its_root(case: Case) -> None:
    """Some clients leave the root out, and some add one of its four certificates: the pinned key is the same."""
    chain = _chain(case)
    shorter = chain[:-1] if read_certificate(chain[-1]).issuer == read_certificate(chain[-1]).subject else chain
    assert _verify(case, shorter) == _verify(case, chain)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_genuine_chain_is_refused_once_its_batch_is_listed(case: Case) -> None:
    """Under every status, the moment the list says so."""
    chain = _chain(case)
    serial = f"{read_certificate(chain[1], allow_trailing=True).serial:x}"
    listed = android_endorsements(case).with_android_status(StatusList({serial: "SUSPENDED"}, case.at))
    with pytest.raises(RejectedEvidence) as refusal:
        _verify(case, chain, listed)
    assert refusal.value.reason is Reason.CERTIFICATE_REVOKED


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_genuine_chain_proves_nothing_for_another_app_challenge_or_order(case: Case) -> None:
    """The same bytes, another question."""
    chain, expected = _chain(case), android_reference_values(case)
    with pytest.raises(AttestationError):
        _verify(replace(case, client_data_hash=b"another challenge"), chain)
    other_app = replace(case, reference_values={"android": {"packages": ["org.example.other"], "signing_digests": []}})
    with pytest.raises(AttestationError):
        _verify(other_app, chain)
    resigned = {"packages": list(expected.packages), "signing_digests": ["00" * 32]}
    with pytest.raises(AttestationError):
        _verify(replace(case, reference_values={"android": resigned}), chain)
    with pytest.raises(AttestationError):
        _verify(case, (chain[1], chain[0], *chain[2:]))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_genuine_claims_survive_the_store(case: Case) -> None:
    """Through JSON and back."""
    claims = _verify(case, _chain(case))
    assert Claims.of_stored_key(json.loads(json.dumps(claims.to_record()))) == claims


def test_altered_expectation_of_a_real_case_fails(tmp_path: Path) -> None:
    """The runner notices: a case that cannot fail proves nothing."""
    folder = require_cases("android")
    genuine = json.loads((folder / "pagopa-io-wallet" / "android.json").read_text("utf-8"))
    changes = (
        ("client_data_hash", "AAAA"),
        ("at", "2010-01-01T00:00:00Z"),
        ("reference_values", {"android": {"packages": ["org.example.other"], "signing_digests": []}}),
        ("endorsements", {"android_status_list": {"entries": {"1590585847767663587": {"status": "REVOKED"}}}}),
        ("expect", {"outcome": "rejected"}),
        ("expect", {"outcome": "verified", "appraisal": "contraindicated"}),
        ("expect", {"outcome": "verified", "claims": {"security_level": 1}}),
    )
    for index, (name, value) in enumerate((("case", "unchanged"), *changes)):
        file = tmp_path / f"{index}.json"
        altered = genuine | {name: value}
        if name == "endorsements":
            serial = f"{read_certificate(b64url_decode(genuine['evidence']['certificate_chain'][1])).serial:x}"
            altered["endorsements"] = {"android_status_list": {"entries": {serial: {"status": "REVOKED"}}}}
        file.write_text(json.dumps(altered), "utf-8")
        assert run_conformance(file).failed == (0 if index == 0 else 1), (name, value)
