"""The runner passes what is right, fails what is altered, and passes nothing in silence."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bonafide.conformance.case_file import CaseUnusable, read_case, timestamp
from bonafide.conformance.run import CaseResult, main, run_conformance
from tests.real_cases import real_case, require_cases

from .cases import altered, flipped, minted_cases, write

CASES = minted_cases()


def outcome_of(folder: Path, members: object) -> CaseResult:
    write(folder, "case", members)
    (result,) = run_conformance(folder).results
    return result


# --- real evidence ------------------------------------------------------------------------------------------------


def test_every_real_apple_case_passes() -> None:
    """Attestations, assertions and receipts of genuine devices, iOS 14 to 27."""
    report = run_conformance(require_cases("apple"))
    assert [(result.case, result.problems) for result in report.results if not result.passed] == []
    assert report.passed > 0


def _altered_real_cases() -> list[Any]:
    attestation, receipt = "apple-guide-2024/attestation", "apple-guide-2024/receipt_attest"
    assertion = "bas-d/assertion"
    return [
        pytest.param(name, path, value, id=f"{name}-{path}")
        for name, path, value in [
            (attestation, "at", "2024-05-01T00:00:00Z"),
            (attestation, "at", "2024-04-01T00:00:00Z"),
            (attestation, "client_data_hash", "dGVzdF9zZXJ2ZXJfY2hhbGxlbmdm"),
            (attestation, "reference_values.apple.app_ids", ["0352187391.com.apple.other"]),
            (attestation, "reference_values.apple.environments", ["development"]),
            (attestation, "evidence.key_id", "A" * 43),
            (attestation, "expect.claims.os_version", "18.1"),
            (attestation, "expect.claims.counter", True),
            (attestation, "expect.claims.colour", "green"),
            (attestation, "expect.outcome", "rejected"),
            (attestation, "trust_anchors", {"apple-app-attest": []}),
            (attestation, "expects", {}),
            (assertion, "client_data_hash", "A" * 43),
            (assertion, "attested_key.counter", 3),
            (assertion, "reference_values.apple.app_ids", ["35MFYY2JY5.co.chiff.other"]),
            (assertion, "expect.claims.counter", 4),
            (receipt, "at", "2024-08-01T00:00:00Z"),
            (receipt, "at", "2024-04-18T16:00:00Z"),
            (receipt, "reference_values.apple.app_ids", ["0352187391.com.apple.other"]),
            (receipt, "attested_key.public_key", "04" + "00" * 64),
            (receipt, "expect.claims.creation_time", "2024-04-18T16:14:54.210Z"),
            (receipt, "expect.claims.risk_metric", 0),
        ]
    ]


@pytest.mark.parametrize(("name", "path", "value"), _altered_real_cases())
def test_altered_real_case_fails(tmp_path: Path, name: str, path: str, value: object) -> None:
    """One value changed, evidence untouched: the runner notices."""
    case = real_case("apple", name)
    assert outcome_of(tmp_path, case).passed
    assert not outcome_of(tmp_path, altered(case, path, value)).passed


@pytest.mark.parametrize("position", [40, 900, 1400, 2050, -5])
def test_real_attestation_with_one_character_changed_fails(tmp_path: Path, position: int) -> None:
    """In the leaf, at its end, in the CA, in the CA's signature, in authenticator data."""
    case = real_case("apple", "apple-guide-2024/attestation")
    text = case["evidence"]["attestation_object"]
    changed = altered(case, "evidence.attestation_object", flipped(text, position % len(text)))
    assert not outcome_of(tmp_path, changed).passed


# --- minted evidence ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_minted_case_passes(tmp_path: Path, name: str) -> None:
    """The default from which each alteration starts."""
    result = outcome_of(tmp_path, CASES[name])
    assert result.problems == ()


@pytest.mark.parametrize(
    ("name", "path", "value", "problem"),
    [
        ("attestation", "colour", "green", "unknown key colour"),
        ("attestation", "expect.colour", "green", "unknown key expect.colour"),
        ("attestation", "expect.outcome", "maybe", "expect.outcome"),
        ("attestation", "expect.stage", "lunch", "expect.stage"),
        ("attestation", "expect.appraisal", "fine", "expect.appraisal"),
        ("attestation", "expect.appraisal", "contraindicated", "expected the appraisal contraindicated"),
        ("attestation", "expect.outcome", "rejected", "expected rejected"),
        ("attestation", "expect.outcome", "rejected-or-contraindicated", "expected rejected-or-contraindicated"),
        ("attestation", "expect.claims.colour", None, "claim colour is not known"),
        ("attestation", "expect.claims.counter", 1, "claim counter is 0, expected 1"),
        ("attestation", "expect.claims.counter", False, "claim counter is 0, expected False"),
        ("attestation", "expect.claims.os_version", None, "claim os_version is '27.0', expected None"),
        ("attestation", "at", "some day", "is no time"),
        ("attestation", "at", 1, "at is missing"),
        ("attestation", "expect-", None, "expect is missing"),
        ("attestation", "format", "android-telepathy", "format not supported yet"),
        ("attestation", "client_data_hash-", None, "client_data_hash is missing"),
        ("attestation", "client_data_hash", "===", "not unpadded base64url"),
        ("attestation", "reference_values", {}, "reference_values.apple"),
        ("attestation", "reference_values.apple.environments", ["staging"], "reference_values.apple"),
        ("attestation", "trust_anchors", "root", "trust_anchors"),
        ("attestation", "trust_anchors", {"apple-app-attest": ["no PEM"]}, "not a PEM certificate"),
        ("attestation", "trust_anchors", {"apple": []}, "which this format does not use"),
        ("attestation", "trust_anchors", {"apple-app-attest": []}, "endorsements unavailable"),
        ("attestation", "trust_anchors-", None, "anchor-unknown"),
        ("assertion", "attested_key-", None, "an assertion needs attested_key"),
        ("assertion", "attested_key.public_key", "zz", "must be hex"),
        ("assertion", "expect.claims.environment", "production", "claim environment is not known"),
        ("receipt", "expect.appraisal", "affirming-or-warning", "nothing to appraise"),
        ("receipt", "expect.claims.creation_time", "2026-05-28T20:26:40.001Z", "claim creation_time"),
        ("receipt", "expect.claims.expiration_time", None, "claim expiration_time"),
        ("receipt", "attested_key.public_key", "04" + "00" * 64, "key-mismatch"),
    ],
)
def test_altered_case_fails_and_says_why(tmp_path: Path, name: str, path: str, value: object, problem: str) -> None:
    """Unknown keys, unmet expectations, unusable inputs: loud, and one sentence."""
    result = outcome_of(tmp_path, altered(CASES[name], path, value))
    assert not result.passed
    assert problem in "; ".join(result.problems)


def test_expected_rejection_passes(tmp_path: Path) -> None:
    """A negative case is one whose evidence must be refused."""
    wrong = altered(CASES["attestation"], "reference_values.apple.app_ids", ["ZZZZZ99999.org.example.other"])
    rejected = altered(wrong, "expect", {"outcome": "rejected", "stage": "verify", "why": ["other app"]})
    result = outcome_of(tmp_path, rejected)
    assert (result.passed, result.verdict) == (True, "rejected, app-mismatch")


def test_refusal_for_want_of_endorsements_is_no_rejection(tmp_path: Path) -> None:
    """We could not judge: that must not pass for having judged."""
    case = altered(
        altered(CASES["attestation"], "trust_anchors", {"apple-app-attest": []}), "expect", {"outcome": "rejected"}
    )
    assert not outcome_of(tmp_path, case).passed


def test_prose_and_notes_are_allowed(tmp_path: Path) -> None:
    """A case explains itself to readers."""
    case = CASES["assertion"] | {"quirks": ["odd"], "licence": "MIT", "nonce_note": "text", "real_device": False}
    assert outcome_of(tmp_path, case).passed


@pytest.mark.parametrize("text", ["{", "\xff", '{"case": "a", "case": "b"}', "[" * 100_000])
def test_file_that_cannot_be_read_fails(tmp_path: Path, text: str) -> None:
    """It may have been a case: skipping it would hide one."""
    assert not outcome_of(tmp_path, text).passed


def test_json_that_is_no_case_is_passed_over(tmp_path: Path) -> None:
    """A status list or a schema may lie beside the cases."""
    write(tmp_path, "list", {"entries": {}})
    write(tmp_path, "array", [1])
    assert run_conformance(tmp_path).results == ()


def test_folder_without_cases_is_a_failure(tmp_path: Path) -> None:
    """A wrong path must not be green."""
    report = run_conformance(tmp_path)
    assert report.exit_code == 1
    assert list(report.lines())[-1] == "0 passed, 0 failed"
    assert run_conformance(tmp_path / "nowhere").exit_code == 1


def test_crash_of_a_verifier_fails_its_case_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is named as what it is: an error that escaped."""
    from bonafide.conformance import run as conformance

    def crash(case: object) -> None:
        raise KeyError(case)

    monkeypatch.setattr(conformance, "RUNNERS", {**conformance.RUNNERS, "apple-app-attest": crash})
    for name, case in CASES.items():
        write(tmp_path, name, case)
    report = run_conformance(tmp_path)
    assert {result.case: result.passed for result in report.results} == {
        "minted/assertion": True,
        "attestation": False,
        "minted/receipt": True,
    }
    assert "KeyError escaped" in " ".join(report.lines())


def test_report_lists_every_case_and_closes_with_the_count(tmp_path: Path) -> None:
    """One line each, then exactly `N passed, N failed`; progress is told as it goes."""
    write(tmp_path, "a/one", CASES["assertion"])
    write(tmp_path, "b/two", altered(CASES["receipt"], "expect.claims.type", "RECEIPT"))
    seen: list[tuple[int, int, bool]] = []
    report = run_conformance(tmp_path, progress=lambda done, total, result: seen.append((done, total, result.passed)))
    assert seen == [(1, 2, True), (2, 2, False)]
    lines = list(report.lines())
    assert [line.split()[:2] for line in lines[:2]] == [["pass", "minted/assertion"], ["FAIL", "minted/receipt"]]
    assert lines[2:] == ["1 passed, 1 failed"]
    assert report.exit_code == 1
    record = report.to_record()
    assert (record["passed"], record["failed"]) == (1, 1)


def test_module_runs_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m bonafide.conformance.run DIR [--json]`, with an exit code for scripts."""
    path = write(tmp_path, "one", CASES["assertion"])
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out.endswith("\n1 passed, 0 failed\n")
    assert main([str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cases"][0]["passed"] is True
    write(tmp_path, "two", {"case": "broken"})
    ran = subprocess.run(
        [sys.executable, "-m", "bonafide.conformance.run", tmp_path], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout.splitlines()[-1]) == (1, "1 passed, 1 failed")


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-28T20:26:40Z",
        "2026-05-28T20:26:40+00:00",
        "2026-05-28T22:26:40.000+02:00",
        "2026-05-28T20:26:40.000000",
        "2026-05-28 20:26:40",
    ],
)
def test_time_is_read_in_any_usual_spelling(text: str) -> None:
    """Z, offsets, fractions; without a zone it is UTC."""
    assert timestamp(text) == 1_780_000_000.0


def test_case_without_a_format_is_unusable() -> None:
    """Nothing is guessed."""
    with pytest.raises(CaseUnusable):
        read_case(altered(CASES["receipt"], "format-", None))
