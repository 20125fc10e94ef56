"""The rows of the policies table, as DynamoDB has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from service.policies.versions import Canary, Effect, PolicyHead, PolicyVersion, StoredPolicy

HEAD: Final = 0
"""The number of the head's row; no version has it."""

FACTS: Final = (
    "app", "version", "why", "by", "at", "effect", "rollout", "based_on", "digest", "has_client", "restores",
    "promotes", "approved_by",
)  # fmt: skip
"""What a list of versions shows of each."""


def head_row(head: PolicyHead) -> dict[str, object]:
    """A head as a row."""
    return {
        "app": head.app,
        "version": HEAD,
        "latest": head.latest,
        "stable": head.stable,
        "previous": head.previous,
        "withdrawn": head.withdrawn,
        "canary": None if head.canary is None else {"version": head.canary.version, "rollout": head.canary.rollout},
        "proposal": head.proposal,
        "proposals": head.proposals,
        "tokens_from": head.tokens_from,
        "revision": head.revision,
    }


def head_of(row: Mapping[str, Any]) -> PolicyHead:
    """The head of a row. Raises ``KeyError`` and ``TypeError`` for anything else."""
    canary = row.get("canary")
    return PolicyHead(
        app=row["app"],
        latest=row["latest"],
        stable=row["stable"],
        previous=row.get("previous"),
        withdrawn=row.get("withdrawn"),
        canary=None if canary is None else Canary(canary["version"], canary["rollout"]),
        proposal=row.get("proposal"),
        proposals=row["proposals"],
        tokens_from=row["tokens_from"],
        revision=row["revision"],
    )


def stored_row(policy: StoredPolicy, number: int) -> dict[str, object]:
    """A version (``number`` is its own) or a proposal (the negative of its own) as a row."""
    facts = policy.version
    return {
        "app": facts.app,
        "version": number,
        "why": facts.why,
        "by": facts.by,
        "at": facts.at,
        "effect": facts.effect.value,
        "rollout": facts.rollout,
        "based_on": facts.based_on,
        "digest": facts.digest,
        "has_client": facts.has_client,
        "restores": facts.restores,
        "promotes": facts.promotes,
        "approved_by": facts.approved_by,
        "appraisal": policy.appraisal,
        "client": policy.client,
        "client_jws": policy.client_jws,
    }


def version_of(row: Mapping[str, Any]) -> PolicyVersion:
    """The version of a row. Raises ``KeyError``, ``TypeError`` and ``ValueError`` for anything else."""
    return PolicyVersion(
        app=row["app"],
        version=abs(row["version"]),
        why=row["why"],
        by=row["by"],
        at=row["at"],
        effect=Effect(row["effect"]),
        rollout=row["rollout"],
        based_on=row["based_on"],
        digest=row["digest"],
        has_client=row["has_client"],
        restores=row.get("restores"),
        promotes=row.get("promotes"),
        approved_by=row["approved_by"],
    )


def stored_of(row: Mapping[str, Any]) -> StoredPolicy:
    """The version of a row with its documents. Raises as :func:`version_of` does."""
    return StoredPolicy(
        version=version_of(row), appraisal=row["appraisal"], client=row["client"], client_jws=row["client_jws"]
    )
