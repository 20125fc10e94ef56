"""The policies and audit tables in memory. Contract tests hold them to what the DynamoDB adapters do."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

from service.policies.versions import PolicyHead, PolicyMove, PolicyVersion, StoredPolicy
from service.tables.audit import AuditEntry
from service.tables.revocations import TOKENS

from tests.service_stack.fakes import MemoryRevocations, Switch


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
        return tuple(self.versions[app, number].version for number in numbers[::-1][: max(1, limit)])

    def move(self, move: PolicyMove) -> bool:
        with self.lock:
            app = move.head.app
            if self.head(app).revision != move.read.revision:
                return False
            self.heads[app] = move.head
            if move.added is not None:
                self.versions[app, move.added.version.version] = move.added
            if move.proposed is not None:
                self.proposals[app, move.proposed.version.version] = move.proposed
            self.audit.rows.append(move.entry)
            if move.not_before is not None:
                self.refuse_older(app, move.not_before)
            return True

    def put_off(self, head: PolicyHead, not_before: int, *, who: str) -> None:
        with self.lock:
            found = self.head(head.app)
            if found.tokens_from < not_before:
                self.heads[head.app] = replace(found, tokens_from=not_before, revision=found.revision + 1)
            self.refuse_older(head.app, not_before)
            self.put_off_by.append(who)

    def refuse_older(self, app: str, moment: int) -> None:
        rows = [row for row in self.revocations.rows if (row["app"], row["revoked"]) == (app, TOKENS)]
        if not rows:
            self.revocations.rows.append({"app": app, "revoked": TOKENS, "not_before": moment})
        elif int(str(rows[0]["not_before"])) < moment:
            rows[0]["not_before"] = moment

    def not_before(self, app: str) -> int | None:
        """The app's not-before."""
        rows = [row for row in self.revocations.rows if (row["app"], row["revoked"]) == (app, TOKENS)]
        return int(str(rows[0]["not_before"])) if rows else None
