"""How Apple evidence of the case files is verified, and how its claims are named there.

A platform joins conformance with a module like this one, listed in ``conformance.RUNNERS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from attestation.apple.receipt import Receipt, verify_receipt
from attestation.appraisal.result import Finding
from attestation.attested_key import AttestedKey
from attestation.claims import Claims
from attestation.encoding.certificate import certificates_from_pem
from attestation.encoding.jose import b64url_encode
from attestation.endorsements import Endorsements, TrustAnchor, pinned_endorsements
from attestation.errors import MalformedEvidence
from attestation.evidence import AppleReceipt, Evidence, parse_evidence
from attestation.reference_values import AppleReferenceValues, Environment, ReferenceValues
from attestation.verify import verify

from bonafide.conformance.case_file import Case, CaseUnusable

ATTESTATION: Final = "apple-app-attest"
ASSERTION: Final = "apple-app-attest-assertion"
RECEIPT: Final = "apple-app-attest-receipt"


@dataclass(frozen=True, slots=True)
class Verified:
    """What verification of a case gave: the facts under the names that case files use, and the claims to appraise
    (``None`` for evidence that is no attester's, such as a receipt). Evidence that proves no key but is judged all the
    same, such as a Play Integrity verdict, has the findings of its own rules instead."""

    facts: Mapping[str, object]
    claims: Claims | None
    findings: tuple[Finding, ...] | None = None


Runner = Callable[[Case], Verified]
"""Verifies one case. Raises :class:`AttestationError`, or :class:`CaseUnusable`."""


_E = TypeVar("_E", bound=Evidence)


def evidence_of(case: Case) -> Evidence:
    """The case's evidence. Raises :class:`AttestationError`."""
    return parse_evidence({**case.evidence, "format": case.format})


def evidence_as(case: Case, kind: type[_E], what: str) -> _E:
    """The same where it must be of one kind. Raises :class:`CaseUnusable`, which says that it is no ``what``."""
    evidence = evidence_of(case)
    if not isinstance(evidence, kind):
        raise CaseUnusable(f"the evidence is no {what}")
    return evidence


def hash_of(case: Case) -> bytes:
    """The client data hash that the evidence must bind. Raises :class:`CaseUnusable` where the case has none."""
    if case.client_data_hash is None:
        raise CaseUnusable("client_data_hash is missing")
    return case.client_data_hash


def facts_named(claims: object, *names: str) -> dict[str, object]:
    """The members of those names, with lists for tuples, as case files have them."""
    values = {name: getattr(claims, name) for name in names}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def _attestation(case: Case) -> Verified:
    return _verified_claims(case, None)


def _assertion(case: Case) -> Verified:
    if case.attested_key is None or not isinstance(case.attested_key.get("counter"), int):
        raise CaseUnusable("an assertion needs attested_key with public_key and counter")
    key = AttestedKey(
        public_key=_public_key(case),
        counter=case.attested_key["counter"],
        apple_app_id=case.attested_key.get("apple_app_id"),
    )
    return _verified_claims(case, key)


def _verified_claims(case: Case, key: AttestedKey | None) -> Verified:
    claims = verify(
        evidence_of(case),
        client_data_hash=hash_of(case),
        reference_values=ReferenceValues(apple=_apple_reference_values(case)),
        endorsements=_apple_endorsements(case),
        now=case.at,
        attested_key=key,
    )
    return Verified(_claim_facts(claims, assertion=key is not None), claims)


def _receipt(case: Case) -> Verified:
    receipt = verify_receipt(
        evidence_as(case, AppleReceipt, "receipt"),
        attested_public_key=_public_key(case) if case.attested_key else None,
        reference_values=_apple_reference_values(case),
        endorsements=_apple_endorsements(case),
        now=case.at,
        client_data_hash=case.client_data_hash,
    )
    return Verified(_receipt_facts(receipt), None)


APPLE_RUNNERS: Final[dict[str, Runner]] = {ATTESTATION: _attestation, ASSERTION: _assertion, RECEIPT: _receipt}
"""The runner of each Apple format."""

TIMES: Final = frozenset({"creation_time", "expiration_time", "not_before"})
"""Facts that are Unix seconds here and text in case files."""


def _claim_facts(claims: Claims, *, assertion: bool) -> dict[str, object]:
    apple = claims.apple
    facts: dict[str, object] = {
        "app_id": claims.app_id,
        "public_key": claims.public_key.hex(),
        "key_id": claims.key_id,
        "counter": claims.counter,
        "validation_category": apple and apple.validation_category,
        "category": apple and apple.validation_category,
        "bundle_version": apple and apple.bundle_version,
    }
    if not assertion:  # an assertion does not prove these, though Claims has a value for them
        facts |= {
            "platform": claims.platform.value,
            "environment": claims.environment.value,
            "os_version": claims.os_version,
            "os_build": apple and apple.os_build,
            "full_security": apple and apple.full_security,
        }
    return facts


def _receipt_facts(receipt: Receipt) -> dict[str, object]:
    return {
        **facts_named(receipt, "app_id", "environment", *sorted(TIMES), "risk_metric", "token"),
        "type": receipt.type.value,
        "client_hash": receipt.client_hash and b64url_encode(receipt.client_hash),
    }


def _apple_reference_values(case: Case) -> AppleReferenceValues:
    """A case that names no environment means either: receipts and assertions are judged apart from enrolment."""
    expected: Any = case.reference_values.get("apple")
    try:
        return AppleReferenceValues(
            app_ids=tuple(str(app_id) for app_id in expected["app_ids"]),
            environments=frozenset(map(Environment, expected.get("environments", list(Environment)))),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CaseUnusable("reference_values.apple must hold app_ids and, optionally, environments") from error


def anchors_for(case: Case) -> dict[str, tuple[TrustAnchor, ...]]:
    """The case's own trust anchors by format; none where it uses the pinned ones. Raises :class:`CaseUnusable`."""
    try:
        return {
            purpose: tuple(TrustAnchor.of(found) for text in texts for found in certificates_from_pem(text))
            for purpose, texts in (case.trust_anchors or {}).items()
        }
    except MalformedEvidence as error:
        raise CaseUnusable("a trust anchor is not a PEM certificate") from error


def _apple_endorsements(case: Case) -> Endorsements:
    endorsements = pinned_endorsements()
    for purpose, anchors in anchors_for(case).items():
        if purpose == ATTESTATION:
            endorsements = replace(endorsements, apple_attestation=anchors)
        elif purpose == RECEIPT:
            endorsements = replace(endorsements, apple_receipt=anchors)
        else:
            raise CaseUnusable(f"trust_anchors for {purpose}, which this format does not use")
    return endorsements


def _public_key(case: Case) -> bytes:
    try:
        return bytes.fromhex((case.attested_key or {})["public_key"])
    except (KeyError, TypeError, ValueError) as error:
        raise CaseUnusable("attested_key.public_key must be hex") from error
