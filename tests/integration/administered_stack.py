"""The Admin API on the local stack, and what its audit log says."""

from __future__ import annotations

from typing import Any

import pytest
from attestation.appraisal.cedar.engine import default_policy
from service.passes.administered import AdministeredPasses
from service.passes.rows import PassRows
from service.tables.audit import DynamoDBAudit

from bonafide.operator.admin_api import AdminProblem
from bonafide.operator.registration import DEMO_APPLE_APP_ID, Registration
from tests.service_stack.admin_calls import AdminWorld, admin_world
from tests.service_stack.memory_stack import ISSUER
from tests.service_stack.worlds import AwsWorld

RULE = """
@id("hooked") @advice("update-app")
forbid (principal, action, resource)
when { context.signals has hooking };
"""

DRAFT = default_policy().text + RULE

POLICIES = "/admin/policies/demo"


@pytest.fixture
def admin(ministack: AwsWorld) -> AdminWorld:
    """The Admin API of a stack with one app."""
    ministack.register(Registration(app="demo", apple_app_ids=(DEMO_APPLE_APP_ID,)))
    rows = PassRows(ministack.dynamodb, ministack.tables["attested_keys"])
    audit = DynamoDBAudit(ministack.dynamodb, ministack.tables["audit"])
    return admin_world(ministack, passes=AdministeredPasses(rows, audit, ministack.root_key, ISSUER, "dev"))


CHANGE: dict[str, object] = {"appraisal": DRAFT, "why": "seen", "expected_version": 0}


def entries(admin: AdminWorld, subject: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = admin.call("GET", f"/admin/audit?subject={subject}")["entries"]
    return found


def refused(admin: AdminWorld, method: str, path: str, body: dict[str, object]) -> AdminProblem:
    with pytest.raises(AdminProblem) as caught:
        admin.call(method, path, body)
    return caught.value
