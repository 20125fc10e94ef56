"""What a change of an app's policies is made of, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from service.policies.documents import PolicyMessage
from service.policies.person import may_be_one_person, may_propose_and_approve
from service.policies.versions import Canary, Effect, PolicyHead, PolicyVersion, StoredPolicy
from service.tables.audit import AuditEntry, app_subject

MAX_WHY: Final = 500
"""Most characters of a reason."""

_SHOWN_WHY: Final = 80


class PolicyConflict(Exception):
    """What was asked does not fit what is in force. ``sentence`` tells an operator why, and what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class SecondPersonNeeded(PolicyConflict):
    """The caller may not do this, because of who the caller is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyOutcome:
    """What a change led to: the head as it is now, and the ``added`` version or ``proposed`` proposal.

    ``not_before`` (Unix seconds) is set when older tokens are refused from now on: a trust bundle must be published.
    ``warnings`` are what checking found beside errors.
    """

    head: PolicyHead
    added: PolicyVersion | None = None
    proposed: PolicyVersion | None = None
    not_before: int | None = None
    warnings: tuple[PolicyMessage, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyChange:
    """A change that fits the head it was made for: the head as it shall be, and what is written with it."""

    head: PolicyHead
    entry: AuditEntry
    effect: Effect = Effect.NEXT_RENEWAL
    added: StoredPolicy | None = None
    proposed: StoredPolicy | None = None
    warnings: tuple[PolicyMessage, ...] = ()


def require_request(*, why: str, who: str, rollout: int = 100) -> None:
    """Raises :class:`ValueError` for what no caller may pass on: no reason, nobody, or no percentage."""
    if not why.strip() or len(why) > MAX_WHY:
        raise ValueError(f"a reason has 1 to {MAX_WHY} characters")
    if not who:
        raise ValueError("a change of policy is somebody's")
    if not 1 <= rollout <= 100:
        raise ValueError("a rollout is 1 to 100 percent")


def require_author(who: str) -> None:
    """Refuse a principal that cannot be one of two persons: another one could not be told from it."""
    if not may_propose_and_approve(who):
        raise SecondPersonNeeded(
            f"{who} names no person, so it can neither propose nor approve: sign in as an IAM user, a user of IAM "
            "Identity Center or with a role."
        )


def require_second_person(facts: PolicyVersion, who: str) -> None:
    """Refuse the approval of a proposal by somebody who may be its author."""
    require_author(who)
    if may_be_one_person(facts.by, who):
        raise SecondPersonNeeded(
            f"Proposal {facts.version} is by {facts.by}: another person must approve it; {who} may be the same. "
            "Two IAM users are two persons, so are two users of IAM Identity Center, and sessions of two roles under "
            "two names; a user and a session of a role are not, nor are sessions of one role."
        )


def promoted(head: PolicyHead, version: int, rollout: int) -> PolicyHead:
    """The head with the rollout of ``version`` raised to ``rollout`` percent."""
    canary = head.canary
    if canary is None or canary.version != version:
        raise PolicyConflict(f"Version {version} of {head.app} is not on its way. {standing(head)}")
    if rollout <= canary.rollout:
        raise PolicyConflict(
            f"Version {version} has reached {canary.rollout} % already: a rollout only grows, because no app "
            "may get an older policy than it has. Roll back instead, which makes a new version."
        )
    if rollout < 100:
        return replace(head, canary=Canary(version, rollout))
    return replace(head, stable=version, previous=head.stable, withdrawn=False, canary=None)


def entry_of(app: str, action: str, *, who: str, why: str, now: float, **details: str | int | None) -> AuditEntry:
    """The audit entry of a change; details that are ``None`` are left out."""
    told = {name: value for name, value in details.items() if value is not None}
    return AuditEntry(subject=app_subject(app), at=now, who=who, action=action, why=why, details=told)


def standing(head: PolicyHead) -> str:
    """What is in force, in a sentence."""
    if head.latest == 0:
        return f"Nothing is published for {head.app}: the built-in default is in force."
    stable = f"version {head.stable}" if head.stable else "the built-in default"
    if head.canary is None:
        return f"In force is {stable}."
    return f"In force is {stable}, and version {head.canary.version} for {head.canary.rollout} % of the keys."


def published(facts: PolicyVersion) -> str:
    """Who published a version, when and why, in a sentence."""
    when = datetime.fromtimestamp(facts.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    why = facts.why if len(facts.why) <= _SHOWN_WHY else facts.why[:_SHOWN_WHY] + "…"
    return f'Version {facts.version} was published by {facts.by} at {when} ("{why}").'
