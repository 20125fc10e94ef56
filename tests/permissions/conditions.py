"""The conditions of permissions, by function, action and resource."""

from __future__ import annotations

from typing import Any

from service.incidents.document.writer import DOCUMENTS

from devkit.local.provision import pseudo_parameters

_HERE = pseudo_parameters("stack")
STACK = {"kms:EncryptionContext:stack": "stack"}
DIGESTS = {"StringEquals": {"kms:SigningAlgorithm": "ECDSA_SHA_256", "kms:MessageType": "DIGEST"}}


def kids(*patterns: str) -> dict[str, Any]:
    """The condition of a use of the wrapping key: of this stack, and of these keys."""
    named = list(patterns) if len(patterns) > 1 else patterns[0]
    return {"StringEquals": STACK, "StringLike": {"kms:EncryptionContext:kid": named}}


PROOFS = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "proof.*"}}
MARKER = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "*"}}
DOCUMENT = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": DOCUMENTS}}
ADMISSIONS = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": "admission"}}
REGIONS = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "regions*"}}
JUDGING = ("appraise_evidence", "renew_token", "report_signal", "release_secrets")
CONDITIONS: dict[tuple[str, str, str], dict[str, Any]] = {
    **{(name, "dynamodb:Query", "IncidentsTable"): DOCUMENT for name in JUDGING},
    ("issue_challenge", "kms:Decrypt", "WrappingKey"): kids("challenge-*"),
    ("issue_challenge", "dynamodb:GetItem", "TalliesTable"): ADMISSIONS,
    **{
        (verb, "kms:Decrypt", "WrappingKey"): kids("challenge-*", "token-*", "app/*/play-*", "facts-*", "rows-*")
        for verb in ("appraise_evidence", "renew_token")
    },
    ("exchange_receipts", "kms:Decrypt", "WrappingKey"): kids("app/*/device-check-*"),
    ("renew_token", "dynamodb:DeleteItem", "RevocationsTable"): MARKER,
    ("report_signal", "kms:Decrypt", "WrappingKey"): kids("challenge-*", "facts-*"),
    ("report_signal", "dynamodb:DeleteItem", "RevocationsTable"): MARKER,
    ("report_signal", "dynamodb:PutItem", "NoncesTable"): PROOFS,
    ("release_secrets", "kms:Decrypt", "WrappingKey"): kids("challenge-*", "secret/*", "facts-*"),
    ("release_secrets", "dynamodb:PutItem", "NoncesTable"): PROOFS,
    ("authorize_request", "dynamodb:PutItem", "NoncesTable"): PROOFS,
    ("relay_upstream", "dynamodb:PutItem", "NoncesTable"): PROOFS,
    ("administer", "kms:Sign", "RootKey"): DIGESTS,
    ("administer", "dynamodb:GetItem", "SigningKeysTable"): REGIONS,
    ("administer", "dynamodb:PutItem", "SigningKeysTable"): REGIONS,
    ("administer", "kms:Encrypt", "WrappingKey"): kids("app/*", "secret/*", "webhook/*"),
    ("administer", "kms:Decrypt", "WrappingKey"): kids("members-*"),
    ("count_decisions", "kms:Decrypt", "WrappingKey"): kids("facts-*", "pseudonyms-*", "members-*"),
    ("find_incidents", "kms:Decrypt", "WrappingKey"): kids("facts-*", "members-*"),
    (
        "find_incidents",
        "events:PutEvents",
        f"aws:events:{_HERE['AWS::Region']}:{_HERE['AWS::AccountId']}:event-bus",
    ): {"StringEquals": {"events:source": "bonafide"}},
    ("deliver_webhooks", "kms:Decrypt", "WrappingKey"): kids("webhook/*"),
    ("publish_bundle", "kms:Sign", "RootKey"): DIGESTS,
    ("publish_bundle", "dynamodb:DeleteItem", "RevocationsTable"): MARKER,
    ("rotate_signing_key", "kms:Sign", "RootKey"): DIGESTS,
    ("rotate_signing_key", "kms:Encrypt", "WrappingKey"): kids(
        "challenge-*", "token-*", "facts-*", "pseudonyms-*", "members-*", "rows-*"
    ),
    ("record_ledger", "kms:Sign", "LedgerKey"): {
        "StringEquals": {"kms:SigningAlgorithm": "ED25519_SHA_512", "kms:MessageType": "RAW"}
    },
    ("replay_decisions", "s3:ListBucket", "DecisionBucket"): {"StringLike": {"s3:prefix": "replays/*"}},
}
"""Every condition of a permission, by function, action and resource. A permission that is not here has none."""
