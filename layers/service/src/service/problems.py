"""Problem types (RFC 9457): what a client is told, in one table.

The public text comes from here and never from an exception. Reasons that would teach an attacker which check to work
on next share one face, ``evidence-rejected``; the operator finds the reason by the support code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Final

from attestation.errors import Reason

TYPE_BASE: Final = "/problems/"
"""Prefix of every ``type``, a relative reference (RFC 9457 §3.1.1). API Gateway's own answers in template.yaml use the
same types and titles; a test compares them."""


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

    A problem to try again ``later`` is answered with a Retry-After (:mod:`service.retry_after`). ``coded`` problems
    carry a support code and the advice that policy allows. ``action`` is what to do instead of the same call again.
    """

    slug: str
    status: int
    title: str
    retry: Retry
    coded: bool = False
    action: str = ""

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
TOO_LARGE: Final = Problem("too-large", 413, "The request is too large.", Retry.NEVER)
QUOTA: Final = Problem("quota", 429, "Too many requests.", Retry.LATER)
TRY_LATER: Final = Problem("try-later", 503, "The service cannot answer at the moment.", Retry.LATER)

PROBLEM_TYPES: Final = (
    MALFORMED_REQUEST,
    MALFORMED_EVIDENCE,
    UNAUTHORIZED,
    EVIDENCE_REJECTED,
    BLOCKED,
    UNKNOWN_APP,
    UNKNOWN_KEY,
    NO_CLIENT_POLICY,
    CHALLENGE_UNUSABLE,
    KEY_ENROLLED,
    TOO_LARGE,
    QUOTA,
    TRY_LATER,
)
"""Every problem type of the verifier API."""


def _rows(problem: Problem, *reasons: Reason) -> dict[Reason, Problem]:
    return dict.fromkeys(reasons, problem)


PROBLEM_OF: Final[Mapping[Reason, Problem]] = {
    **_rows(
        MALFORMED_EVIDENCE,
        Reason.EVIDENCE_TOO_LARGE,
        Reason.ENCODING_INVALID,
        Reason.STRUCTURE_INVALID,
        Reason.FORMAT_UNKNOWN,
        Reason.KEY_UNREADABLE,
        Reason.CLIENT_DATA_INVALID,
    ),
    **_rows(
        EVIDENCE_REJECTED,
        Reason.CHAIN_LENGTH,
        Reason.CHAIN_ISSUER_MISMATCH,
        Reason.CHAIN_SIGNATURE,
        Reason.CHAIN_CA_FLAG,
        Reason.CHAIN_KEY_USAGE,
        Reason.CHAIN_PATH_LENGTH,
        Reason.CHAIN_NOT_YET_VALID,
        Reason.CHAIN_EXPIRED,
        Reason.CHAIN_ALGORITHM,
        Reason.CHAIN_CRITICAL_EXTENSION,
        Reason.ANCHOR_UNKNOWN,
        Reason.KEY_DESCRIPTION_MISSING,
        Reason.KEY_DESCRIPTION_AMBIGUOUS,
        Reason.KEY_DESCRIPTION_REPEATED,
        Reason.KEY_DESCRIPTION_MISPLACED,
        Reason.PROVISIONING_INFO_MISPLACED,
        Reason.ATTEST_KEY_CHAIN,
        Reason.KEY_ORIGIN,
        Reason.KEY_PURPOSE,
        Reason.KEY_ALL_APPLICATIONS,
        Reason.ROOT_OF_TRUST_MISSING,
        Reason.CERTIFICATE_REVOKED,
        Reason.ATTESTATION_MISSING,
        Reason.ATTESTATION_MISPLACED,
        Reason.CLAIM_REPEATED,
        Reason.KEY_MANAGER,
        Reason.INTEGRITY_TOKEN_SIGNER,
        Reason.CHALLENGE_MISMATCH,
        Reason.NONCE_EXTENSION,
        Reason.APP_MISMATCH,
        Reason.SIGNER_MISMATCH,
        Reason.KEY_ID_MISMATCH,
        Reason.KEY_MISMATCH,
        Reason.ENVIRONMENT_NOT_ALLOWED,
        Reason.COUNTER_NOT_ZERO,
        Reason.COUNTER_NOT_GREATER,
        Reason.SIGNATURE_INVALID,
        Reason.FLAGS_INVALID,
        Reason.INTEGRITY_TOKEN_ALGORITHM,
        Reason.INTEGRITY_TOKEN_KEY,
        Reason.INTEGRITY_TOKEN_SIGNATURE,
        Reason.INTEGRITY_TOKEN_TIME,
        Reason.RECEIPT_SIGNER,
        Reason.RECEIPT_SIGNATURE,
        Reason.RECEIPT_TYPE,
        Reason.RECEIPT_EXPIRED,
        Reason.RECEIPT_TOO_OLD,
        Reason.RECEIPT_FROM_FUTURE,
        Reason.DEVICE_ENROLMENTS,
        Reason.KEY_OTHER_APP,
        Reason.KEY_OTHER_PLATFORM,
        Reason.REFERENCE_VALUES_MISSING,
        Reason.BUILD_RETIRED,
        Reason.APPRAISAL_CONTRAINDICATED,
    ),
    **_rows(
        CHALLENGE_UNUSABLE,
        Reason.CHALLENGE_FORGED,
        Reason.CHALLENGE_EXPIRED,
        Reason.CHALLENGE_FROM_FUTURE,
        Reason.CHALLENGE_OTHER_APP,
        Reason.CHALLENGE_SPENT,
    ),
    **_rows(KEY_ENROLLED, Reason.KEY_ALREADY_ENROLLED),
    **_rows(BLOCKED, Reason.KEY_BLOCKED),
    **_rows(UNKNOWN_APP, Reason.APP_UNKNOWN),
    **_rows(UNKNOWN_KEY, Reason.KEY_UNKNOWN),
    **_rows(
        UNAUTHORIZED,
        Reason.TOKEN_MISSING,
        Reason.TOKEN_MALFORMED,
        Reason.TOKEN_ALGORITHM,
        Reason.TOKEN_TYPE,
        Reason.TOKEN_KEY_UNKNOWN,
        Reason.TOKEN_SIGNATURE,
        Reason.TOKEN_ISSUER,
        Reason.TOKEN_AUDIENCE,
        Reason.TOKEN_EXPIRED,
        Reason.TOKEN_FROM_FUTURE,
        Reason.TOKEN_SUPERSEDED,
        Reason.TOKEN_TIER,
        Reason.TOKEN_ENDING,
        Reason.PROOF_MISSING,
        Reason.PROOF_UNSEEN,
        Reason.PROOF_MALFORMED,
        Reason.PROOF_ALGORITHM,
        Reason.PROOF_KEY,
        Reason.PROOF_SIGNATURE,
        Reason.PROOF_REQUEST,
        Reason.PROOF_TOKEN,
        Reason.PROOF_TIME,
        Reason.PROOF_REPLAYED,
        Reason.PROOF_NONCE,
        Reason.PROOF_CHALLENGE,
        Reason.PROOF_BODY,
        Reason.PROOF_UNSPENT,
        Reason.PROOF_CACHED,
    ),
    **_rows(
        TRY_LATER,
        Reason.BUNDLE_INVALID,
        Reason.BUNDLE_ROLLBACK,
        Reason.BUNDLE_UNAVAILABLE,
        Reason.CLIENT_POLICY_INVALID,
        Reason.CLIENT_POLICY_ROLLBACK,
        Reason.TRUST_ANCHORS_MISSING,
        Reason.ENDORSEMENTS_MISSING,
        Reason.ENDORSEMENTS_MALFORMED,
        Reason.ENDORSEMENTS_STALE,
    ),
}
"""The public face of every :class:`~attestation.errors.Reason`. A test proves that none is missing."""

ADVICE_OF: Final[Mapping[Reason, tuple[str, ...]]] = {Reason.BUILD_RETIRED: ("update-app",)}
"""What an app is told to do where no policy is asked: the owner's own word stands behind it."""
