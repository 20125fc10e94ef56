"""Policy changes as administrators publish, promote and roll them back."""

from __future__ import annotations

from typing import Any

from service.policies.publish import PolicyPublishing
from service.policies.store import PolicyChange
from service.tables.audit import AuditEntry, app_subject

from tests.service_stack.memory_stack import APP, MemoryStack

ANNA = "arn:aws:iam::111122223333:user/anna"

BEN = "arn:aws:iam::111122223333:user/ben"

PERMIT = "permit (principal, action, resource);\n"

LOCKED = PERMIT + '@id("no-android")\nforbid (principal is Android, action, resource);\n'

CLIENT = '{"format": 1}'


def publish(stack: MemoryStack, desk: PolicyPublishing | None = None, **changes: Any) -> PolicyChange:
    stack.now += 1
    arguments: dict[str, Any] = {
        "appraisal": PERMIT,
        "why": "because",
        "expected_version": stack.policies.head(APP).latest,
        "who": ANNA,
        "now": stack.now,
        **changes,
    }
    return (desk or stack.publishing).publish(APP, **arguments)


def rollback(stack: MemoryStack, desk: PolicyPublishing | None = None, **changes: Any) -> PolicyChange:
    return (desk or stack.publishing).rollback(APP, **{"why": "bad", "who": BEN, "now": stack.now, **changes})


def promote(stack: MemoryStack, version: int, **changes: Any) -> PolicyChange:
    return stack.publishing.promote(APP, version=version, **{"why": "good", "who": ANNA, "now": stack.now, **changes})


def documents(stack: MemoryStack, version: int) -> tuple[str, str]:
    found = stack.policies.find(APP, version)
    assert found is not None
    return found.appraisal, found.client


def newest(stack: MemoryStack) -> AuditEntry:
    return stack.policies.audit.newest(app_subject(APP))[0]


def written(stack: MemoryStack) -> tuple[object, ...]:
    policies = stack.policies
    return dict(policies.heads), dict(policies.versions), dict(policies.proposals), list(policies.audit.rows)
