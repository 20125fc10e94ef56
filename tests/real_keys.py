"""Keys as they would enrol with evidence of real devices: what their rows take is measured, not guessed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from attestation.claims import Claims
from attestation.errors import AttestationError
from bonafide_tokens.jose import b64url_encode
from service.tables.attested_keys import EnrolledKey, Enrolment

from bonafide.conformance.case_file import CaseUnusable, load_members, read_case
from bonafide.conformance.run import RUNNERS
from tests.real_cases import require_cases

ENROLLING = {"apple-app-attest", "android-key-attestation", "harmony-key-attestation"}
NOW = 1_795_000_000


def real_keys(platform: str) -> dict[str, EnrolledKey]:
    """The keys of one platform's cases that verify, by the case's name. Skips the test where there are no cases."""
    folder = require_cases(platform)
    return {str(path.relative_to(folder)): enrolling(claims) for path, claims in _claims(folder)}


def enrolling(claims: Claims) -> EnrolledKey:
    """A key that enrols, as the function would store it."""
    return EnrolledKey(
        key_id=claims.key_id,
        app="an-app-of-the-shop",
        claims=claims,
        counter=claims.counter,
        enrolled_at=NOW,
        last_seen=NOW,
        expires_at=NOW + 90 * 86_400,
        enrolment=Enrolment(b64url_encode(bytes(16)), bytes(32)),
    )


def _claims(folder: Path) -> Iterator[tuple[Path, Claims]]:
    for path in sorted(folder.rglob("*.json")):
        try:
            members = load_members(path)
            if not isinstance(members, dict) or members.get("format") not in ENROLLING or "case" not in members:
                continue
            case = read_case(members)
            claims = RUNNERS[case.format](case).claims
        except (AttestationError, CaseUnusable):
            continue  # refused evidence enrols nothing
        if claims is not None:
            yield path, claims
