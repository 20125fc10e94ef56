"""Problem types (RFC 9457): what a client is told, in one table.

The public text comes from here and never from an exception. Reasons that would teach an attacker which check to work
on next share one face, ``evidence-rejected``; the operator finds the reason by the support code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from typing import Final

from attestation.errors import Reason as EvidenceReason
from bonafide_tokens.errors import Reason as TokenReason
from bonafide_tokens.refusals import refusal_of

from service.errors import Reason as ServiceReason

TYPE_BASE: Final = "/problems/"
"""Prefix of every ``type``, a relative reference (RFC 9457 §3.1.1)."""


@unique
class Retry(StrEnum):
    """Whether the same call may be tried again."""

    NEVER = "never"
    NOW = "now"
    AFTER_CHALLENGE = "after-challenge"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem type: the slug that ends its ``type``, HTTP status, public title, and whether to try again.

    A problem to try again ``later`` is answered with a Retry-After (:mod:`service.edge.retry_after`). ``coded``
    problems carry a support code and the advice that policy allows. ``action`` is what to do instead of the same call
    again, ``detail`` one sentence about this occurrence, ``challenge`` the ``WWW-Authenticate`` header of a 401.
    """

    slug: str
    status: int
    title: str
    retry: Retry
    coded: bool = False
    action: str = ""
    detail: str = ""
    challenge: str = ""

    def document(
        self, *, instance: str, support_code: str | None = None, advice: tuple[str, ...] = ()
    ) -> dict[str, object]:
        """The body of an ``application/problem+json`` answer. ``instance`` is the request id."""
        body: dict[str, object] = {
            "type": TYPE_BASE + self.slug,
            "title": self.title,
            "status": self.status,
            "instance": instance,
            "retry": self.retry.value,
        }
        if self.detail:
            body["detail"] = self.detail
        if self.action:
            body["action"] = self.action
        if self.coded:
            body["support_code"] = support_code or ""
            body["advice"] = list(advice)
        return body


MALFORMED_REQUEST: Final = Problem("malformed-request", 400, "The request cannot be read.", Retry.NEVER)
MALFORMED_EVIDENCE: Final = Problem("malformed-evidence", 400, "The evidence cannot be read.", Retry.NEVER)
UNAUTHORIZED: Final = Problem("unauthorized", 401, "A valid attestation token and proof are needed.", Retry.NEVER)
EVIDENCE_REJECTED: Final = Problem("evidence-rejected", 403, "The evidence was not accepted.", Retry.NEVER, coded=True)
BLOCKED: Final = Problem("blocked", 403, "This key is blocked.", Retry.NEVER, coded=True)
UNKNOWN_APP: Final = Problem("unknown-app", 404, "This app is not registered.", Retry.NEVER)
NO_CLIENT_POLICY: Final = Problem("no-client-policy", 404, "This app has no client policy yet.", Retry.NEVER)
UNKNOWN_KEY: Final = Problem("unknown-key", 404, "This key is not enrolled: attest again.", Retry.NEVER)
CHALLENGE_UNUSABLE: Final = Problem(
    "challenge-unusable", 409, "The challenge cannot be used: ask for a new one.", Retry.AFTER_CHALLENGE
)
KEY_ENROLLED: Final = Problem("key-enrolled", 409, "This key is enrolled already: renew.", Retry.NEVER, action="renew")
SECRET_REFUSED: Final = Problem("secret-refused", 403, "This secret is not released.", Retry.NEVER, coded=True)
SEALING_KEY_MISSING: Final = Problem(
    "sealing-key-missing", 409, "This key has no sealing key: renew with one.", Retry.NEVER, action="renew"
)
SEALING_KEY_UNKNOWN: Final = Problem(
    "sealing-key-unknown", 409, "Another sealing key was endorsed: renew with this one.", Retry.NEVER, action="renew"
)
WRONG_REGION: Final = Problem("wrong-region", 409, "This is at home in another region: send it there.", Retry.NEVER)
TOO_LARGE: Final = Problem("too-large", 413, "The request is too large.", Retry.NEVER)
QUOTA: Final = Problem("quota", 429, "Too many requests.", Retry.LATER)
TRY_LATER: Final = Problem("try-later", 503, "The service cannot answer at the moment.", Retry.LATER)
REFUSED: Final = Problem("refused", 403, "The request was refused.", Retry.NEVER)

PROBLEM_TYPES: Final[tuple[Problem, ...]] = tuple(known for known in globals().values() if isinstance(known, Problem))
"""Every problem type of the verifier API."""

NO_SUCH_ROUTE: Final = Problem("no-such-route", 404, "There is no such route.", Retry.NEVER)
MEDIA_TYPE: Final = Problem("malformed-request", 415, "The media type is not supported.", Retry.NEVER)
SIGNATURE_INVALID: Final = Problem("signature-invalid", 403, "The AWS signature is not valid.", Retry.NEVER)
ACCESS_DENIED: Final = Problem("access-denied", 403, "Your AWS credentials may not do this.", Retry.NEVER)

GATEWAY_PROBLEM_TYPES: Final = (NO_SUCH_ROUTE, MEDIA_TYPE, SIGNATURE_INVALID, ACCESS_DENIED)
"""What API Gateway alone answers, beside problems of the table above: ``packaging/gateway_responses.py`` writes its
answers into the templates from both."""


def problem_of(reason: StrEnum) -> Problem:
    """The public face of a reason. Exhaustive by type within each package: a reason without a face fails mypy.

    Raises :class:`TypeError` for a reason of a package that the edge does not know: our own mistake.
    """
    match reason:
        case EvidenceReason():
            return _of_evidence(reason)
        case TokenReason():
            return _of_token(reason)
        case ServiceReason():
            return _of_service(reason)
    raise TypeError(f"{type(reason).__qualname__} is of no package that the edge knows")


def reason_named(value: str) -> StrEnum | None:
    """The reason that a log line spells so; ``None`` for what is no reason."""
    rooms: tuple[type[StrEnum], ...] = (EvidenceReason, TokenReason, ServiceReason)
    return next((reason for room in rooms for reason in room if reason.value == value), None)


def _of_evidence(reason: EvidenceReason) -> Problem:
    match reason:
        case (
            EvidenceReason.EVIDENCE_TOO_LARGE
            | EvidenceReason.ENCODING_INVALID
            | EvidenceReason.STRUCTURE_INVALID
            | EvidenceReason.FORMAT_UNKNOWN
            | EvidenceReason.KEY_UNREADABLE
            | EvidenceReason.CLIENT_DATA_INVALID
        ):
            return MALFORMED_EVIDENCE
        case (
            EvidenceReason.CHAIN_LENGTH
            | EvidenceReason.CHAIN_ISSUER_MISMATCH
            | EvidenceReason.CHAIN_SIGNATURE
            | EvidenceReason.CHAIN_CA_FLAG
            | EvidenceReason.CHAIN_KEY_USAGE
            | EvidenceReason.CHAIN_PATH_LENGTH
            | EvidenceReason.CHAIN_NOT_YET_VALID
            | EvidenceReason.CHAIN_EXPIRED
            | EvidenceReason.CHAIN_ALGORITHM
            | EvidenceReason.CHAIN_CRITICAL_EXTENSION
            | EvidenceReason.ANCHOR_UNKNOWN
            | EvidenceReason.KEY_DESCRIPTION_MISSING
            | EvidenceReason.KEY_DESCRIPTION_AMBIGUOUS
            | EvidenceReason.KEY_DESCRIPTION_REPEATED
            | EvidenceReason.KEY_DESCRIPTION_MISPLACED
            | EvidenceReason.PROVISIONING_INFO_MISPLACED
            | EvidenceReason.ATTEST_KEY_CHAIN
            | EvidenceReason.KEY_ORIGIN
            | EvidenceReason.KEY_PURPOSE
            | EvidenceReason.KEY_ALL_APPLICATIONS
            | EvidenceReason.ROOT_OF_TRUST_MISSING
            | EvidenceReason.CERTIFICATE_REVOKED
            | EvidenceReason.ATTESTATION_MISSING
            | EvidenceReason.ATTESTATION_MISPLACED
            | EvidenceReason.CLAIM_REPEATED
            | EvidenceReason.KEY_MANAGER
            | EvidenceReason.INTEGRITY_TOKEN_SIGNER
            | EvidenceReason.CHALLENGE_MISMATCH
            | EvidenceReason.NONCE_EXTENSION
            | EvidenceReason.APP_MISMATCH
            | EvidenceReason.SIGNER_MISMATCH
            | EvidenceReason.KEY_ID_MISMATCH
            | EvidenceReason.KEY_MISMATCH
            | EvidenceReason.ENVIRONMENT_NOT_ALLOWED
            | EvidenceReason.COUNTER_NOT_ZERO
            | EvidenceReason.COUNTER_NOT_GREATER
            | EvidenceReason.SIGNATURE_INVALID
            | EvidenceReason.FLAGS_INVALID
            | EvidenceReason.INTEGRITY_TOKEN_ALGORITHM
            | EvidenceReason.INTEGRITY_TOKEN_KEY
            | EvidenceReason.INTEGRITY_TOKEN_SIGNATURE
            | EvidenceReason.INTEGRITY_TOKEN_TIME
            | EvidenceReason.RECEIPT_SIGNER
            | EvidenceReason.RECEIPT_SIGNATURE
            | EvidenceReason.RECEIPT_TYPE
            | EvidenceReason.RECEIPT_EXPIRED
            | EvidenceReason.RECEIPT_TOO_OLD
            | EvidenceReason.RECEIPT_FROM_FUTURE
            | EvidenceReason.KEY_OTHER_PLATFORM
            | EvidenceReason.REFERENCE_VALUES_MISSING
            | EvidenceReason.BUILD_RETIRED
            | EvidenceReason.TEST_PASS_INVALID
            | EvidenceReason.TEST_PASS_ENDED
            | EvidenceReason.TEST_PASS_OTHER_USE
            | EvidenceReason.ID_TOKEN_INVALID
            | EvidenceReason.ID_TOKEN_TIME
            | EvidenceReason.ID_TOKEN_AUDIENCE
            | EvidenceReason.ID_TOKEN_SUBJECT
        ):
            return EVIDENCE_REJECTED
        case (
            EvidenceReason.CHALLENGE_FORGED
            | EvidenceReason.CHALLENGE_EXPIRED
            | EvidenceReason.CHALLENGE_FROM_FUTURE
            | EvidenceReason.CHALLENGE_OTHER_APP
        ):
            return CHALLENGE_UNUSABLE
        case EvidenceReason.KEY_UNKNOWN:
            return UNKNOWN_KEY
        case (
            EvidenceReason.CLIENT_POLICY_INVALID
            | EvidenceReason.CLIENT_POLICY_ROLLBACK
            | EvidenceReason.TRUST_ANCHORS_MISSING
            | EvidenceReason.ENDORSEMENTS_MISSING
            | EvidenceReason.ENDORSEMENTS_MALFORMED
            | EvidenceReason.ENDORSEMENTS_STALE
        ):
            return TRY_LATER


def _of_token(reason: TokenReason) -> Problem:
    """By the tokens' own table (exhaustive by type), so that this API and a guarded one tell an app the same."""
    if reason in (TokenReason.ENCODING_INVALID, TokenReason.KEY_UNREADABLE):
        return MALFORMED_EVIDENCE
    if reason is TokenReason.KEY_BLOCKED:
        return BLOCKED
    if reason is TokenReason.ORIGIN_SECRET:
        return REFUSED
    refusal = refusal_of(reason)
    if refusal.action == "retry":
        return TRY_LATER
    return replace(
        UNAUTHORIZED,
        retry=Retry(refusal.retry),
        action=refusal.action,
        detail=refusal.title,
        challenge=refusal.www_authenticate,
    )


def _of_service(reason: ServiceReason) -> Problem:
    match reason:
        case ServiceReason.DEVICE_ENROLMENTS | ServiceReason.KEY_OTHER_APP | ServiceReason.APPRAISAL_CONTRAINDICATED:
            return EVIDENCE_REJECTED
        case ServiceReason.ENROLMENT_PACED:
            return QUOTA
        case ServiceReason.KEY_ALREADY_ENROLLED:
            return KEY_ENROLLED
        case ServiceReason.CHALLENGE_SPENT:
            return CHALLENGE_UNUSABLE
        case ServiceReason.KEY_BLOCKED:
            return BLOCKED
        case ServiceReason.APP_UNKNOWN:
            return UNKNOWN_APP
        case ServiceReason.KEY_UNKNOWN:
            return UNKNOWN_KEY
        case ServiceReason.SECRET_NOT_GRANTED | ServiceReason.SECRET_UNKNOWN:
            return SECRET_REFUSED  # one face: which names there are is nothing for those who may not have them
        case ServiceReason.SEALING_KEY_MISSING:
            return SEALING_KEY_MISSING
        case ServiceReason.SEALING_KEY_NOT_ENDORSED:
            return SEALING_KEY_UNKNOWN
        case ServiceReason.WRONG_REGION:
            return WRONG_REGION


ADVICE_OF: Final[Mapping[StrEnum, tuple[str, ...]]] = {EvidenceReason.BUILD_RETIRED: ("update-app",)}
"""What an app is told to do where no policy is asked, because its owner decided so."""
