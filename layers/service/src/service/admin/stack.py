"""What the use cases of the Admin API work on: the parts of one stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.admin.blocked_key_pages import BlockedKeyPages
from service.admin.guarded_apis import GuardedApis
from service.admin.http import AdminCall
from service.admin.publication import InvokedFunction, Publication
from service.admin.registration import Registrations
from service.admin.retired_builds import RetiredBuilds
from service.admission.stressed_apps import StressedApps
from service.keys.kms import WrappingKey
from service.policies.publish import PolicyPublishing
from service.policies.store import Policies
from service.regions.administered import AdministeredRegions
from service.roots.changing import RootChanges
from service.secrets.table import RuntimeSecretChanges
from service.tables.apps import Apps
from service.tables.audit import AuditEntry, DynamoDBAudit
from service.tables.blocking import DynamoDBBlocking
from service.tables.known_builds import BuildRegister
from service.tables.not_before import NotBefore
from service.tables.paced.key_lists import KeyLists
from service.telling.administered import AdministeredWebhooks
from service.vendors.app_secrets import EntrustedSecrets

if TYPE_CHECKING:
    from service.passes.administered import AdministeredPasses


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminStack:
    """The tables that operators change, and the publication of what they changed. ``passes`` are those of a test stage,
    ``None`` where none are taken."""

    apps: Apps
    apis: GuardedApis
    audit: DynamoDBAudit
    blocking: DynamoDBBlocking
    blocked_keys: BlockedKeyPages
    builds: BuildRegister
    key_lists: KeyLists
    not_before: NotBefore
    policies: Policies
    publication: Publication
    publishing: PolicyPublishing
    registrations: Registrations
    retired_builds: RetiredBuilds
    refresh: InvokedFunction
    roots: RootChanges
    rotation: InvokedFunction
    sealing: WrappingKey
    secrets: EntrustedSecrets
    runtime_secrets: RuntimeSecretChanges
    stressed_apps: StressedApps
    webhooks: AdministeredWebhooks
    passes: AdministeredPasses | None = None
    regions: AdministeredRegions | None = None


StackCall = AdminCall[AdminStack]


def entry_of(
    call: StackCall, subject: str, action: str, why: str, details: Mapping[str, str | int] | None = None
) -> AuditEntry:
    """The audit entry of what a call changes."""
    return AuditEntry(subject=subject, at=call.now, who=call.who, action=action, why=why, details=details or {})
