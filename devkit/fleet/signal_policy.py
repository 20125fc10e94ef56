"""The fleet's own policy: the default, and one rule more that takes a hooked device out of the gate at once."""

from __future__ import annotations

import time
from typing import Final, NoReturn

from attestation.appraisal.cedar.engine import default_policy
from bonafide_tokens.jose import EcPublicKey
from service.policies.publish import PolicyPublishing
from service.policies.store import DynamoDBPolicies
from service.tables.audit import DynamoDBAudit

from bonafide.operator.deployment import Deployment
from bonafide.operator.errors import OperatorError

BLOCK_RULE: Final = """
// A hooking tool sees every secret of the app's process: the key is refused at the gate for an hour.
@id("hooking-tool")
@block("1h")
forbid (principal, action, resource)
when { context.signals has hooking };
"""


class _NoRootKey:
    """Nothing is signed: an appraisal policy is private, and there is no client policy beside it."""

    def sign(self, digest: bytes) -> NoReturn:
        del digest
        raise OperatorError("The fleet publishes no client policies.")

    def public_key(self) -> EcPublicKey:
        raise OperatorError("The fleet publishes no client policies.")


def have_hooked_keys_blocked(deployment: Deployment, app: str, more: str = "") -> None:
    """Publish the default policy with :data:`BLOCK_RULE` and ``more`` rules for ``app``, unless it has one already."""
    dynamodb, tables = deployment.aws("dynamodb"), deployment.tables
    audit = DynamoDBAudit(dynamodb, tables["audit"])
    policies = DynamoDBPolicies(dynamodb, tables["policies"], audit, tables["revocations"])
    if policies.head(app).latest:
        return
    PolicyPublishing(policies=policies, root_key=_NoRootKey(), issuer=deployment.issuer).publish(
        app,
        appraisal=default_policy().text + BLOCK_RULE + more,
        why="The fleet shows what a block rule does.",
        expected_version=0,
        who=deployment.operator(),
        now=time.time(),
    )
