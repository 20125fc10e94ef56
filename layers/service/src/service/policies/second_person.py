"""Who may propose and approve under the two-person rule."""

from __future__ import annotations

from service.person import may_be_one_person, may_propose_and_approve
from service.policies.documents import PolicyConflict
from service.policies.store import PolicyVersion


class SecondPersonNeeded(PolicyConflict):
    """This caller may not do this."""


def require_author(who: str) -> None:
    """Refuse a principal that may stand for several persons: the two of the two-person rule could not be told apart."""
    if not may_propose_and_approve(who):
        raise SecondPersonNeeded(
            f"{who} names no person, so it can neither propose nor approve: sign in as an IAM user, a user of IAM "
            "Identity Center or with a role."
        )


def require_second_person(facts: PolicyVersion, who: str) -> None:
    """Refuse the approval of a proposal by a person who may be its author."""
    require_author(who)
    if may_be_one_person(facts.by, who):
        raise SecondPersonNeeded(
            f"Proposal {facts.version} is by {facts.by}: another person must approve it; {who} may be the same. "
            "Two IAM users are two persons, so are two users of IAM Identity Center, and sessions of two roles under "
            "two names; a user and a session of a role are not, nor are sessions of one role."
        )
