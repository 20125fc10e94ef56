"""The two-person rule's persons: what makes two ARNs one person."""

from __future__ import annotations

import pytest
from service.person import may_be_one_person, may_propose_and_approve, person_of

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
def test_session_names_make_no_one_another_person(one: str, other: str, same: bool) -> None:
    """The attacks: one operator who assumes one role twice, or signs in with two permission sets. Identity Center's
    names are not the operator's to choose."""
    assert (person_of(one) == person_of(other)) is same


FEDERATED = "arn:aws:sts::111122223333:federated-user"
ROOT = "arn:aws:iam::111122223333:root"


@pytest.mark.parametrize(
    ("one", "other", "one_person"),
    [
        pytest.param(f"{USER}/anna", f"{USER}/ben", False, id="two-users"),
        pytest.param(f"{USER}/anna", f"{USER}/staff/anna", False, id="two-users-by-path"),
        pytest.param(f"{CENTER}/anna", f"{APPROVER}/ben", False, id="two-of-identity-center"),
        pytest.param(f"{USER}/anna", f"{CENTER}/ben", False, id="user-and-identity-center"),
        pytest.param(f"{ROLE}/publisher/anna", f"{ROLE}/approver/ben", False, id="two-roles"),
        pytest.param(f"{USER}/anna", f"{USER}/anna", True, id="one-user"),
        pytest.param(f"{USER}/anna", f"{FEDERATED}/ben", True, id="own-federated-session"),
        pytest.param(f"{CENTER}/anna", f"{FEDERATED}/ben", True, id="federated-and-identity-center"),
        pytest.param(f"{ROLE}/publisher/anna", f"{FEDERATED}/ben", True, id="federated-and-role"),
        pytest.param(f"{FEDERATED}/anna", f"{FEDERATED}/ben", True, id="two-federated"),
        pytest.param(f"{USER}/anna", f"{ROLE}/approver/ben", True, id="user-and-role"),
        pytest.param(f"{USER}/anna", f"{ROLE}/approver/anna", True, id="user-and-role-of-his-name"),
        pytest.param(f"{CENTER}/anna", f"{ROLE}/approver/ben", True, id="identity-center-and-role"),
        pytest.param(f"{ROLE}/publisher/anna", f"{ROLE}/publisher/ben", True, id="one-role"),
        pytest.param(f"{ROLE}/publisher/anna", f"{ROLE}/approver/Anna", True, id="two-roles-one-name"),
        pytest.param(f"{CENTER}/anna", f"{APPROVER}/anna", True, id="two-permission-sets"),
        pytest.param(f"{ROLE}/AWSReservedSSO_Fake/anna", f"{ROLE}/AWSReservedSSO_Fake/ben", True, id="named-like-one"),
        pytest.param(f"{USER}/anna", ROOT, True, id="user-and-root"),
        pytest.param(f"{USER}/anna", "", True, id="nothing"),
        pytest.param(f"{USER}/anna", "arn:aws:iam::111122223333:user/", True, id="user-without-name"),
    ],
)
def test_two_are_one_person_unless_aws_says_otherwise(one: str, other: str, one_person: bool) -> None:
    """The attacks: one's own federated session, a role that one may assume, a role named like Identity Center's."""
    assert may_be_one_person(one, other) is one_person
    assert may_be_one_person(other, one) is one_person


@pytest.mark.parametrize(
    ("arn", "may"),
    [
        (f"{USER}/anna", True),
        (f"{CENTER}/anna", True),
        (f"{ROLE}/publisher/anna", True),
        ("arn:aws-cn:sts::111122223333:assumed-role/operator/a", True),
        (f"{FEDERATED}/anna", False),
        ("arn:aws-us-gov:sts::111122223333:federated-user/anna", False),
        (ROOT, False),
        ("arn:aws:sts::111122223333:federated-user/x:user/y", False),
        ("anna", False),
    ],
)
def test_principal_without_a_person_neither_proposes_nor_approves(arn: str, may: bool) -> None:
    """The maker of a federated session chooses its name."""
    assert may_propose_and_approve(arn) is may
