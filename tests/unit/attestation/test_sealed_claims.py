"""Claims come from verifiers: what others make neither type-checks nor comes into being."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from attestation.claims import Claims

from tests.unit.attestation.reported_signals import claims

ROOT = Path(__file__).parents[3]
GENUINE = claims(checked_at=None)
FACTS = {field.name: getattr(GENUINE, field.name) for field in fields(Claims)}

MISUSE = """
from dataclasses import replace
from typing import cast

from attestation.appraisal.appraise import appraise
from attestation.appraisal.policy import AppraisalContext, AppraisalPolicy
from attestation.claims import AndroidClaims, Claims, KeyStorage, Platform
from attestation.reference_values import Environment

policy = cast(AppraisalPolicy, None)
genuine = cast(Claims, None)
android = cast(AndroidClaims, None)


def made(facts: dict[str, object]) -> Claims:
    return Claims(  # misuse
        format="apple-app-attest", platform=Platform.IOS, app_id="", public_key=b"", chain_profile="strict",
        key_storage=KeyStorage.SECURE_ENCLAVE, environment=Environment.PRODUCTION,
    )


replace(genuine, os_version="17")  # misuse
replace(genuine, seal="verified", os_version="17")  # misuse
replace(genuine, seal=None, os_version="17")  # misuse
genuine.os_version = "17"  # misuse
appraise(android, client_data=None, policy=policy)  # misuse
appraise(genuine.to_record(), client_data=None, policy=policy)  # misuse
AppraisalContext(claims=android, client_data=None)  # misuse
genuine.renewed(android)  # misuse
genuine.with_play({"token": "standard"})  # misuse
appraise(genuine, client_data=None, policy=policy)
genuine.renewed(genuine)
"""


def test_misuse_does_not_type_check(tmp_path: Path) -> None:
    """Each line marked so is an error to mypy, and no other line is."""
    snippet = tmp_path / "snippet.py"
    snippet.write_text(MISUSE)
    command = (sys.executable, "-m", "mypy", "--follow-imports=silent", "--no-error-summary", str(snippet))
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    refused = {int(line) for line in re.findall(r"snippet\.py:(\d+): error:", run.stdout)}
    assert refused == {number for number, line in enumerate(MISUSE.splitlines(), 1) if "# misuse" in line}, run.stdout


def test_claims_without_a_seal_do_not_come_into_being() -> None:
    """What no type checker looks at is refused when it runs."""
    with pytest.raises(TypeError):
        Claims(**FACTS)


@pytest.mark.parametrize("seal", [None, True, "verified", "VERIFIED", object()])
def test_anything_else_is_no_seal(seal: Any) -> None:
    """Only the member itself, which can be looked for."""
    with pytest.raises(TypeError, match="only verifiers make claims"):
        Claims(**FACTS, seal=seal)
    with pytest.raises(TypeError, match="only verifiers make claims"):
        replace(GENUINE, seal=seal, os_version="17")


def test_copy_with_other_facts_needs_the_seal_again() -> None:
    """Otherwise one genuine phone's claims would become any phone's."""
    with pytest.raises((TypeError, ValueError), match="seal"):
        replace(GENUINE, os_version="17")  # type: ignore[call-arg]
