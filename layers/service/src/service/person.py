"""Which person a principal's ARN stands for, as far as AWS can tell: the two-person rule compares these.

The attack: one operator assumes one role twice, under two session names, and approves a proposal of his own. Whoever
assumes a role chooses the session name, so the name makes nobody another person. IAM Identity Center is the exception:
there the name is the user's, and the user cannot choose it; the role is only the permission set that he picked when he
signed in, so he is one person with all of them. What no comparison can see: one human with two IAM users or
two roles, or a role whose credentials are shared. Give the right to approve to people, not to machines.
"""

from __future__ import annotations

import re
from typing import Final

_ASSUMED: Final = re.compile(r"((arn:[a-z-]+:sts::[0-9]{12}:)assumed-role/([^/]+))/(.*)", re.DOTALL)
_FEDERATED: Final = re.compile(r"(arn:[a-z-]+:sts::[0-9]{12}:federated-user)/.*", re.DOTALL)
_IDENTITY_CENTER: Final = "AWSReservedSSO_"


def person_of(arn: str) -> str:
    """What two ARNs of one person have in common.

    An IAM user and a user of IAM Identity Center are a person each; all other sessions of one role are one person, and
    so are all federated users of an account, whose names their makers choose.
    """
    assumed = _ASSUMED.fullmatch(arn)
    if assumed is not None:
        return f"{assumed[2]}{_IDENTITY_CENTER}/{assumed[4]}" if assumed[3].startswith(_IDENTITY_CENTER) else assumed[1]
    federated = _FEDERATED.fullmatch(arn)
    return arn if federated is None else federated[1]
