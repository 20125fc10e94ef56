"""The two-person rule's persons: what makes two ARNs one person."""

from __future__ import annotations

import pytest
from service.person import person_of

ROLE = "arn:aws:sts::111122223333:assumed-role"
CENTER = f"{ROLE}/AWSReservedSSO_Admin_0123456789abcdef"
APPROVER = f"{ROLE}/AWSReservedSSO_Approver_fedcba9876543210"
CHINA = "arn:aws-cn:sts::111122223333:assumed-role/operator"
USER = "arn:aws:iam::111122223333:user"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (f"{USER}/anna", f"{USER}/anna", True),
        (f"{USER}/anna", f"{USER}/ben", False),
        (f"{ROLE}/operator/anna", f"{ROLE}/operator/ben", True),
        (f"{ROLE}/operator/a/b", f"{ROLE}/operator/\n", True),
        (f"{ROLE}/operator/anna", f"{ROLE}/auditor/anna", False),
        (f"{ROLE}/operator/anna", "arn:aws:sts::444455556666:assumed-role/operator/anna", False),
        (f"{CENTER}/anna", f"{CENTER}/ben", False),
        (f"{CENTER}/anna", f"{APPROVER}/anna", True),
        (f"{CENTER}/anna", f"{APPROVER}/ben", False),
        (f"{CENTER}/anna", f"{ROLE}/operator/anna", False),
        ("arn:aws:sts::111122223333:federated-user/anna", "arn:aws:sts::111122223333:federated-user/ben", True),
        (f"{CHINA}/a", f"{CHINA}/b", True),
        ("arn:aws:iam::111122223333:root", f"{USER}/root", False),
    ],
)
def test_session_names_make_nobody_another_person(one: str, other: str, same: bool) -> None:
    """The attacks: one operator who assumes one role twice, or signs in with two permission sets. Identity Center's
    names are not the operator's to choose."""
    assert (person_of(one) == person_of(other)) is same
