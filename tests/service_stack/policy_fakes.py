"""The policies and audit tables in memory. Contract tests hold them to what the DynamoDB adapters do."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import serve_policy
from service.edge.gateway import Handler
from service.edge.http import Wiring, address, endpoint
from service.policies.app_states import AppRows, KeyAndApp
from service.policies.client_policy import ServedClientPolicies
from service.policies.store import FACTS, PolicyChange, PolicyHead, PolicyVersion, StoredPolicy
from service.roots.root_set import StoredRootSet
from service.roots.root_sets_table import RootSets, ServedRootSets
from service.tables.apps import Apps
from service.tables.audit import AuditEntry
from service.tables.not_before import not_before_row
from service.tables.paced.stored import StoredPacing
from service.tables.revocations import TOKENS
from service.tables.trust_bundles import RememberedTrustBundles, TrustBundles

from tests.service_stack.fakes import MemoryApps, MemoryAttestedKeys, MemoryRevocations, Switch


@dataclass
class MemoryAudit(Switch):
    """:class:`service.tables.audit.Audit`."""

    rows: list[AuditEntry] = field(default_factory=list)

    def add(self, entry: AuditEntry) -> None:
        self.touch()
        self.rows.append(entry)

    def newest(self, subject: str, *, limit: int = 50, before: str | None = None) -> tuple[AuditEntry, ...]:
        self.touch()
        found = [row for row in self.rows if row.subject == subject and (before is None or row.entry < before)]
        return tuple(sorted(found, key=lambda row: row.entry, reverse=True)[: max(1, limit)])


def facts_of(stored: StoredPolicy) -> PolicyVersion:
    """A version without its documents, as a list of versions shows it."""
    return PolicyVersion(**{name: getattr(stored, name) for name in FACTS})


@dataclass
class MemoryPolicies(Switch):
    """:class:`service.policies.store.Policies`; a lock stands for DynamoDB's transactions."""

    audit: MemoryAudit = field(default_factory=MemoryAudit)
    revocations: MemoryRevocations = field(default_factory=MemoryRevocations)
    heads: dict[str, PolicyHead] = field(default_factory=dict)
    versions: dict[tuple[str, int], StoredPolicy] = field(default_factory=dict)
    proposals: dict[tuple[str, int], StoredPolicy] = field(default_factory=dict)
    put_off_by: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def head(self, app: str) -> PolicyHead:
        self.touch()
        return self.heads.get(app, PolicyHead(app=app))

    def find(self, app: str, version: int) -> StoredPolicy | None:
        self.touch()
        return self.versions.get((app, version))

    def find_proposal(self, app: str, number: int) -> StoredPolicy | None:
        self.touch()
        return self.proposals.get((app, number))

    def history(self, app: str, *, limit: int = 50, before: int | None = None) -> tuple[PolicyVersion, ...]:
        self.touch()
        numbers = sorted((n for owner, n in self.versions if owner == app and (before is None or n < before)))
        return tuple(facts_of(self.versions[app, number]) for number in numbers[::-1][: max(1, limit)])

    def move(self, change: PolicyChange) -> bool:
        with self.lock:
            app = change.head.app
            if self.head(app).revision != change.read.revision:
                return False
            self.heads[app] = change.head
            if change.added is not None:
                self.versions[app, change.added.version] = change.added
            if change.proposed is not None:
                self.proposals[app, change.proposed.version] = change.proposed
            assert change.entry is not None
            self.audit.rows.append(change.entry)
            if change.not_before is not None:
                self.refuse_older(app, change.not_before, change.pacing)
            return True

    def put_off(self, head: PolicyHead, not_before: int, *, who: str, pacing: StoredPacing | None = None) -> None:
        with self.lock:
            found = self.head(head.app)
            if found.tokens_from < not_before:
                self.heads[head.app] = replace(found, tokens_from=not_before, revision=found.revision + 1)
            self.refuse_older(head.app, not_before, pacing, head.tokens_from)
            self.put_off_by.append(who)

    def refuse_older(self, app: str, moment: int, pacing: StoredPacing | None, instead_of: int | None = None) -> None:
        rows = [row for row in self.revocations.rows if (row["app"], row["revoked"]) == (app, TOKENS)]
        row = {"app": app, "revoked": TOKENS, **not_before_row(rows[0] if rows else None, moment, pacing, instead_of)}
        self.revocations.rows = [other for other in self.revocations.rows if other not in rows] + [row]

    def not_before(self, app: str) -> int | None:
        """The app's not-before."""
        rows = [row for row in self.revocations.rows if (row["app"], row["revoked"]) == (app, TOKENS)]
        return int(str(rows[0]["not_before"])) if rows else None


@dataclass
class MemoryStateReader:
    """:class:`service.policies.app_states.StateReader` over the fakes of the three tables."""

    attested_keys: MemoryAttestedKeys
    apps: MemoryApps
    policies: MemoryPolicies

    def app(self, app: str) -> AppRows:
        return AppRows(self.apps.find(app), self.policies.head(app))

    def key(self, key_id: str, app: str | None) -> KeyAndApp:
        key = self.attested_keys.find(key_id)
        return KeyAndApp(key, None if key is None or app is None else self.app(app))


@dataclass
class MemoryRootSets(Switch):
    """:class:`service.roots.root_sets_table.RootSets`; ``reads`` counts what was asked of the table."""

    sets: dict[int, StoredRootSet] = field(default_factory=dict)
    reads: int = 0

    def newest_version(self) -> int:
        self.touch()
        self.reads += 1
        return max(self.sets, default=0)

    def find(self, version: int) -> StoredRootSet | None:
        self.touch()
        self.reads += 1
        return self.sets.get(version)


DOCUMENTS = ("/v1/trust-bundle", "/.well-known/jwks.json", "/v1/client-policies/{app}", "/v1/root-sets/{version}")
"""The routes of :func:`serving`."""


def serving(
    policies: MemoryPolicies,
    apps: Apps,
    trust_bundles: TrustBundles,
    issuer: str,
    *,
    root_sets: RootSets,
    clock: Callable[[], float],
) -> dict[tuple[str, str], Handler]:
    """The function of documents at each of its routes, over the tables of a stack."""
    collaborators = {
        "client_policies": ServedClientPolicies(policies),
        "apps": apps,
        "trust_bundles": RememberedTrustBundles(trust_bundles),
        "root_sets": ServedRootSets(root_sets),
        "issuer": issuer,
    }
    wiring = Wiring(collaborators=collaborators)
    served = endpoint(serve_policy.DocumentRequest, serve_policy.serve, lambda _: wiring, members=address, clock=clock)
    return {("GET", path): served for path in DOCUMENTS}
