"""Whether two principals can be one person, as far as AWS can tell: the two-person rule asks this.

The attacks: one operator assumes a role under two session names, or creates a federated session, or proposes as
an IAM user and approves as a session of a role that the user may assume. Callers choose the names of such sessions, and
API Gateway tells no SourceIdentity (its ``$context.identity`` has no such member), so nothing says who is behind one.
Only two kinds of names are a person's own: an IAM user's, and that of a user of IAM Identity Center, which is one
person with every permission set. What no comparison can see: one human with two users, or two roles whose trust
policies let the same human in. See docs/admin-access.md for trust policies that do not.
"""

from __future__ import annotations

import re
from typing import Final

_USER: Final = re.compile(r"arn:[a-z-]+:iam::[0-9]{12}:user/.+", re.DOTALL)
_ASSUMED: Final = re.compile(r"((arn:[a-z-]+:sts::[0-9]{12}:)assumed-role/([^/]+))/(.*)", re.DOTALL)
_FEDERATED: Final = re.compile(r"(arn:[a-z-]+:sts::[0-9]{12}:federated-user)/.*", re.DOTALL)
_IDENTITY_CENTER: Final = re.compile(r"AWSReservedSSO_[\w+=,.@-]+_[0-9a-f]{16}", re.ASCII)


def person_of(arn: str) -> str:
    """What all names of one principal have in common.

    An IAM user and a user of IAM Identity Center are a person each; all other sessions of one role are one, and
    so are all federated users of an account, whose names their makers choose.
    """
    assumed = _ASSUMED.fullmatch(arn)
    if assumed is not None:
        return f"{assumed[2]}AWSReservedSSO_/{assumed[4]}" if _IDENTITY_CENTER.fullmatch(assumed[3]) else assumed[1]
    federated = _FEDERATED.fullmatch(arn)
    return arn if federated is None else federated[1]


def may_propose_and_approve(arn: str) -> bool:
    """Whether a principal can be one of two persons: a user, or a session of a role. Federated sessions, the root user
    and all other principals stand for no particular person."""
    return _USER.fullmatch(arn) is not None or _ASSUMED.fullmatch(arn) is not None


def may_be_one_person(one: str, other: str) -> bool:
    """Whether two principals may be the same human: true unless AWS says that they are not.

    A session of a role may be any user who can assume it. Sessions of two roles are two persons where their owner keeps
    the roles apart, but not under one session name.
    """
    if not (may_propose_and_approve(one) and may_propose_and_approve(other)):
        return True
    roles = _role_session(one), _role_session(other)
    if (roles[0] is None) != (roles[1] is None):
        return True
    if roles[0] is not None and roles[1] is not None and roles[0].casefold() == roles[1].casefold():
        return True
    return person_of(one) == person_of(other)


def _role_session(arn: str) -> str | None:
    """The session's name, for a session of a role whose callers choose it."""
    assumed = _ASSUMED.fullmatch(arn)
    return None if assumed is None or _IDENTITY_CENTER.fullmatch(assumed[3]) else assumed[4]
