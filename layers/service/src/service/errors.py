"""What the AWS side raises beside the library's own errors. ``service.http`` turns each into its public problem."""

from __future__ import annotations

from attestation.attestation_result import AttestationResult
from attestation.errors import Reason, RejectedEvidence


class Unavailable(Exception):
    """Something of ours (DynamoDB, KMS) cannot answer now. Nothing was consumed; the same call may succeed later.

    ``what`` names the service and the operation, for the operator; it never holds request data.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class Unreadable(Unavailable):
    """A row of ours is there and damaged: the same call fails until somebody repairs it."""


class ChangeInDoubt(Unavailable):
    """It is not known whether an operator's change was made. ``look`` is the command that shows it."""

    def __init__(self, what: str, look: str) -> None:
        super().__init__(what)
        self.look = look


class NoClientPolicy(Exception):
    """The app is registered, and no client policy was ever published for it."""


class Contraindicated(RejectedEvidence):
    """Evidence verified, and appraisal says no. ``result`` says which findings did it and what may be advised."""

    def __init__(self, result: AttestationResult) -> None:
        enforced = ", ".join(finding.rule for finding in result.findings if finding.enforced)
        super().__init__(Reason.APPRAISAL_CONTRAINDICATED, f"tier {result.tier.value} by {enforced or 'no finding'}")
        self.result = result
