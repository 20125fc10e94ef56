"""What only the operator of a stack can do, used to bring about what would otherwise take minutes or years.

An expired challenge, for one: waiting five minutes for it would be honest and slow, a stack with another setting would
not be the stack under test. So the fleet seals a challenge itself, with the stack's own sealing key and an issue time
in the past. The stack gets exactly the bytes it would have issued then, and refuses them on its own. Expired tokens
come about the same way, with its own token key.

And a refusal has one face for all reasons: a stack that refused for the wrong one would look right. The support code in
the answer tells only the operator why, so the fleet looks it up and judges the reason too.

The keys are read as the functions read them: from the signing_keys table, unwrapped by KMS. A deployed stack's
wrapping key gives them to its functions only, so this works on the local stack alone.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from typing import Any, Final

from attestation.appraisal.result import AttestationResult, Tier
from attestation.challenge import issue_challenge
from attestation.errors import Reason as EvidenceReason
from bonafide_tokens.signing import mint_token
from service.errors import Reason as ServiceReason
from service.keys.key_ring import KeyRing
from service.keys.kms import KmsWrappingKey
from service.tables.signing_keys import DynamoDBSigningKeys, Purpose
from service.telemetry.support_code import support_code, support_key

from bonafide.operator.deployment import Deployment
from devkit.devices.installation import Installation

_REASONS: Final = tuple(reason.value for reasons in (EvidenceReason, ServiceReason) for reason in reasons)


@dataclass(frozen=True, slots=True)
class OperatorAccess:
    """The stack's own keys, in the hands of the fleet."""

    key_ring: KeyRing
    deployment: Deployment

    @classmethod
    def of(cls, deployment: Deployment) -> OperatorAccess:
        """Access to the running local stack."""
        keys = DynamoDBSigningKeys(deployment.aws("dynamodb"), deployment.tables["signing_keys"])
        wrapping = KmsWrappingKey(deployment.aws("kms"), deployment.wrapping_key_id, deployment.stack_name)
        return cls(KeyRing(keys, wrapping, frozenset(Purpose)), deployment)

    def challenge_issued_at(self, moment: float, app: str, *, now: float) -> str:
        """The challenge that the stack would have issued at ``moment`` (Unix seconds)."""
        return issue_challenge(app=app, key=self.key_ring.sealing_key(now), random=secrets.token_bytes(16), now=moment)

    def token_minted_at(self, moment: float, installation: Installation, *, now: float, **changes: Any) -> str:
        """The token that the stack would have minted at ``moment``; ``changes`` are arguments of :func:`mint_token`."""
        lifetime = 300.0
        arguments: dict[str, Any] = {
            "signing_key": self.key_ring.token_key(now, lifetime=lifetime),
            "issuer": self.deployment.issuer,
            "app": installation.app,
            "audience": (self.deployment.audience,),
            "request_key": installation.request_public_key,
            "key_id": installation.bonafide_key_id,
            "platform": "ios",
            "app_build": installation.phone.bundle_version,
            "result": AttestationResult(tier=Tier.AFFIRMING, findings=(), trustworthiness={}, policy_version=0),
            "jti": secrets.token_urlsafe(16),
            "now": moment,
            "lifetime": lifetime,
        }
        return mint_token(**(arguments | changes))

    def reason_behind(self, code: str, key_id: str, *, now: float) -> str | None:
        """The reason that a support code of today or yesterday stands for; ``None`` when it stands for none."""
        for key in self.key_ring.opening_keys(now):
            secret = support_key(key)
            for day in (now, now - 86_400):
                for reason in _REASONS:
                    if hmac.compare_digest(code, support_code(secret, reason=reason, key_id=key_id, now=day)):
                        return reason
        return None
