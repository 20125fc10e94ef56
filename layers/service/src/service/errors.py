"""What the AWS side raises besides the libraries' own errors; ``service.edge.http`` turns each into a public
problem."""

from __future__ import annotations

from enum import StrEnum, unique

from attestation.appraisal.result import AttestationResult
from bonafide_tokens.errors import BonafideError


@unique
class Reason(StrEnum):
    """Why a request was refused by what this stack knows of apps, keys and challenges."""

    APP_UNKNOWN = "app-unknown"  # no such app is registered here
    CHALLENGE_SPENT = "challenge-spent"  # replay, or the slower of two racing redeems
    KEY_UNKNOWN = "key-unknown"  # reinstalled, restored or expired: not fraud
    KEY_BLOCKED = "key-blocked"  # cut off by an operator or a policy
    KEY_ALREADY_ENROLLED = "key-already-enrolled"  # one key registered twice: replay across installs
    DEVICE_ENROLMENTS = "device-enrolments"  # one device's attestation key enrols app instances all day: a farm
    ENROLMENT_PACED = "enrolment-paced"  # more installs ask than the stack enrols: told when to come back
    KEY_OTHER_APP = "key-other-app"  # a key of another app used to renew
    APPRAISAL_CONTRAINDICATED = "appraisal-contraindicated"  # genuine evidence of a hostile device or process
    SECRET_NOT_GRANTED = "secret-not-granted"  # no rule of the policy releases it to this key, or one refuses it
    SECRET_UNKNOWN = "secret-unknown"  # granted, and there is no such secret, or it is revoked: names are being tried
    SEALING_KEY_MISSING = "sealing-key-missing"  # the key never endorsed one: an older app, or a thief without evidence
    SEALING_KEY_NOT_ENDORSED = "sealing-key-not-endorsed"  # another sealing key than the key endorsed
    WRONG_REGION = "wrong-region"  # of another region: an app that moved, or one redeem sent to two regions


class Rejected(BonafideError[Reason]):
    """The request was read, and is refused by what this stack knows."""


class Paced(Rejected):
    """More apps ask than the stack's pace lets in. This one shall come back after ``seconds``."""

    def __init__(self, seconds: int) -> None:
        super().__init__(Reason.ENROLMENT_PACED, f"comes back after {seconds} s")
        self.seconds = seconds


class Contraindicated(Rejected):
    """Evidence verified, and appraisal refuses it. ``result`` says which findings did and what may be advised."""

    def __init__(self, result: AttestationResult) -> None:
        enforced = ", ".join(finding.rule for finding in result.findings if finding.enforced)
        super().__init__(Reason.APPRAISAL_CONTRAINDICATED, f"tier {result.tier.value} by {enforced or 'no finding'}")
        self.result = result


class WrongRegion(Rejected):
    """The challenge or the key is at home in another region, ``home``. Nothing was spent and nothing noted."""

    def __init__(self, home: str, detail: str) -> None:
        super().__init__(Reason.WRONG_REGION, f"home is {home}: {detail}")
        self.home = home


class Unavailable(Exception):
    """Something of ours (DynamoDB, KMS) cannot answer now. Nothing was consumed; the same call may succeed later.

    ``what`` names the service and the operation, for the operator; it never holds request data.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class UnsuitableKey(Exception):
    """A KMS key that an operator named cannot do what it is for. The text says what it must be, and holds no data."""


class Unreadable(Unavailable):
    """A row of ours is there and damaged: the same call fails until it is repaired."""


class ChangeInDoubt(Unavailable):
    """It is not known whether an operator's change was made. ``look`` is the command that shows it."""

    def __init__(self, what: str, look: str) -> None:
        super().__init__(what)
        self.look = look


class ChangeRefused(Exception):
    """A change of an operator's or a rule's that cannot be made. The message is one sentence for an operator."""


class NotKnown(ChangeRefused):
    """There is no such app or key."""


class Overtaken(ChangeRefused):
    """Another change was made at the same moment, and nothing was written: the same call may succeed now."""


class NoClientPolicy(Exception):
    """The app is registered, and no client policy was ever published for it."""


class NoRootSet(Exception):
    """There is no transition to such a root set, or none yet."""
