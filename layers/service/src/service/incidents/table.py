"""Writes the ``incidents`` table: findings raise incidents, which end by themselves or are closed.

Each change is one transaction: the incident's row, what is known after its end, and the change for those who are told.
So whatever becomes of an incident is told, also where a process ends between two writes; and the same findings again,
or at the same time, open one incident and change it once.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any, Final

from service.aws import DynamoDBClient, TransactWriteItemTypeDef, to_item, unavailable_on_failure
from service.detection.finding import ALL_APPS, Finding, incident_id
from service.errors import ChangeRefused, NotKnown, Overtaken, Unavailable
from service.incidents.erased import ErasedKeys
from service.incidents.incident import (
    HELD,
    Before,
    Change,
    Happened,
    Incident,
    Merged,
    State,
    closed,
    ended,
    held_size,
    may_open,
    merged,
    opened,
    size_of,
)
from service.incidents.reader import CALLED, IncidentsReader
from service.incidents.rows import (
    CHANGES,
    CHANGES_KEPT,
    incident_of,
    last_place,
    milliseconds,
    open_place,
    past_place,
    row_of,
)
from service.incidents.sealing import MemberSeal
from service.items.batch_read import Place, read_rows
from service.tables.audit import AuditEntry, DynamoDBAudit
from service.transactions import transact

MAX_OPEN: Final = 200
"""Incidents of one app and detector that are open at a time: what goes beyond is counted, and not kept."""
MAX_OPEN_UNNAMED: Final = 50
"""The same where an incident names no key: callers who prove nothing can cause it, and each is told twice at least."""
MAX_OPEN_OF_NETWORKS: Final = 25
"""The same of networks: then there is room for what is found of the whole app."""
ATTEMPTS: Final = 8
"""How often an incident is read and written again because another writer came between."""

_BATCH: Final = 50
_WHAT: Final = "dynamodb:TransactWriteItems incidents"
_Row = Mapping[str, Any] | None
_NOTHING: Final[Mapping[str, TransactWriteItemTypeDef]] = {}


@dataclass(slots=True)
class Raised:
    """What came of findings. ``left_out`` are the detectors with as many open incidents of an app as may be, once for
    each finding that was not kept."""

    changes: list[Change] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    unavailable: list[Unavailable] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class IncidentsTable:
    """The table as its writers see it. Incidents that are over are kept ``days`` days; ``now`` is Unix seconds."""

    client: DynamoDBClient
    table: str
    seal: MemberSeal
    days: int
    audit: DynamoDBAudit | None = None

    @property
    def reader(self) -> IncidentsReader:
        """The same table, to be read."""
        return IncidentsReader(self.client, self.table, self.seal)

    def raise_all(self, findings: Iterable[Finding], now: float) -> Raised:
        """Open incidents for findings, or take findings over into those that are open. Why something cannot be written
        now is in the answer: the same findings again write what is missing."""
        raised = Raised()
        by_id: dict[str, list[Finding]] = {}
        try:
            unerased = ErasedKeys(self.client, self.table).kept_out(findings)
        except Unavailable as error:
            return Raised(unavailable=[error])
        for finding in unerased:
            by_id.setdefault(incident_id(finding), []).append(finding)
        names = list(by_id)
        for first in range(0, len(names), _BATCH):
            batch = [by_id[name] for name in names[first : first + _BATCH]]
            try:
                found = self._rows(batch, consistent=False)
            except Unavailable as error:
                raised.unavailable.append(error)
                continue
            for those, (row, last) in zip(batch, found, strict=True):
                try:
                    self._raise(those, row, last, raised, now)
                except Unavailable as error:  # one row that is hot or damaged keeps no other incident from opening
                    raised.unavailable.append(error)
        return raised

    def end_quiet(self, incidents: Iterable[Incident], now: float) -> list[Change]:
        """End those of the open ``incidents`` for which nothing new came. One that another writer changed since it was
        read stays open. Raises :class:`~service.errors.Unavailable`."""
        over = [(incident, ended(incident, now)) for incident in incidents if incident.ends_at <= now]
        changes = [self._end(before, after, Happened.ENDED, now) for before, after in over]
        return [change for change in changes if change is not None]

    def close(self, app: str, name: str, *, by: str, reason: str, now: float, entry: AuditEntry) -> Incident:
        """Close an incident for an operator; the same finding opens none again for :data:`HELD` seconds. Raises
        :class:`~service.errors.NotKnown`, :class:`~service.errors.ChangeRefused` where it is over,
        :class:`~service.errors.Overtaken` and :class:`~service.errors.Unavailable`."""
        for _ in range(ATTEMPTS):
            incident = self.reader.of_id(app, name)
            if incident is None:
                raise NotKnown(f"There is no incident {name}.")
            if incident.state is not State.OPEN:
                raise ChangeRefused(f"The incident is {incident.state.value} already.")
            after = closed(incident, by=by, reason=reason, now=now)
            audited = {} if self.audit is None else {"audit": self.audit.adding(entry)}
            if self._end(incident, after, Happened.CLOSED, now, audited) is not None:
                return after
        raise Overtaken("The incident changes all the time; nothing was written.")

    def _rows(self, batch: Sequence[Sequence[Finding]], *, consistent: bool) -> list[tuple[_Row, _Row]]:
        """For each id, the row of its open incident, and what is known after its last one."""
        places = [
            Place(self.table, {"app": finding.app or ALL_APPS, "place": place(incident_id(finding))})
            for finding, *_ in batch
            for place in (open_place, last_place)
        ]
        rows = read_rows(self.client, places, consistent=consistent)
        return list(zip(rows[::2], rows[1::2], strict=True))

    def _raise(self, findings: Sequence[Finding], row: _Row, last: _Row, raised: Raised, now: float) -> None:
        for _ in range(ATTEMPTS):
            if row is None:
                change, done = self._open(findings, last, raised, now)
            else:
                change, done = self._merge(findings, incident_of(row, self.seal), now)
            if done:
                raised.changes += [] if change is None else [change]
                return
            ((row, last),) = self._rows([findings], consistent=True)
        raise Unavailable(f"{_WHAT}: too many writers of one incident")

    def _open(self, findings: Sequence[Finding], last: _Row, raised: Raised, now: float) -> tuple[Change | None, bool]:
        before = Before() if last is None else _before(last)
        those = [finding for finding in findings if may_open(finding, before, now)]
        if not those:
            return None, True
        first, *more = those
        incident = reduce(lambda one, finding: merged(one, finding, now).incident, more, opened(first, now))
        if self._is_full(incident):
            raised.left_out.append(incident.finding.detector)
            return None, True
        change = _change(Happened.OPENED, incident, now)
        parts: dict[str, TransactWriteItemTypeDef] = {
            "open": self._put(open_place(incident.id), incident, "attribute_not_exists(place)", {}),
            "last": {
                "ConditionCheck": {
                    "TableName": self.table,
                    "Key": to_item({"app": incident.app, "place": last_place(incident.id)}),
                    "ConditionExpression": "attribute_not_exists(place)"
                    " OR (#last < :last AND (reopens_at <= :now OR held_size <= :size))",
                    "ExpressionAttributeNames": {"#last": "last"},
                    "ExpressionAttributeValues": to_item(
                        {
                            ":now": milliseconds(now),
                            ":last": milliseconds(incident.finding.last),
                            ":size": size_of(incident.finding.counts),
                        }
                    ),
                }
            },
            "change": self._telling(change),
        }
        return change, self._written(parts, change)

    def _merge(self, findings: Sequence[Finding], incident: Incident, now: float) -> tuple[Change | None, bool]:
        after, what = incident, None
        for finding in findings:
            step: Merged = merged(after, finding, now)
            after, what = step.incident, step.what if what in (None, Happened.UPDATED) and step.what else what
        if what is None:
            return None, True
        change = _change(what, after, now)
        place = open_place(incident.id)
        parts = {
            "open": self._put(place, after, "revision = :read", {":read": incident.revision}),
            "change": self._telling(change),
        }
        return change, self._written(parts, change)

    def _end(
        self,
        before: Incident,
        after: Incident,
        what: Happened,
        now: float,
        more: Mapping[str, TransactWriteItemTypeDef] = _NOTHING,
    ) -> Change | None:
        """Put an incident away that is over, in one transaction with ``more``; ``None`` where another writer changed
        it."""
        change = _change(what, after, now)
        kept = int(now) + self.days * 86_400
        held = after.closed is not None
        known = {
            "app": after.app,
            "place": last_place(after.id),
            "past": past_place(after),
            "reopens_at": milliseconds(now + HELD) if held else 0,
            "held_size": held_size(after) if held else None,
            "last": milliseconds(after.finding.last),
            "expires_at": kept,
        }
        parts: dict[str, TransactWriteItemTypeDef] = {
            "open": {
                "Delete": {
                    "TableName": self.table,
                    "Key": to_item({"app": before.app, "place": open_place(before.id)}),
                    "ConditionExpression": "revision = :read",
                    "ExpressionAttributeValues": to_item({":read": before.revision}),
                }
            },
            "past": self._put(past_place(after), after, "", {}, expires_at=kept),
            "last": {"Put": {"TableName": self.table, "Item": to_item(known)}},
            "change": self._telling(change),
            **more,
        }
        return change if self._written(parts, change) else None

    def _put(
        self, place: str, incident: Incident, condition: str, values: Mapping[str, object], **more: object
    ) -> TransactWriteItemTypeDef:
        key = {"app": incident.app, "place": place, "revision": uuid.uuid4().hex[:16]}
        put: Any = {"TableName": self.table, "Item": to_item({**key, **row_of(incident, self.seal), **more})}
        if condition:
            put["ConditionExpression"] = condition
        if values:
            put["ExpressionAttributeValues"] = to_item(values)
        return {"Put": put}

    def _telling(self, change: Change) -> TransactWriteItemTypeDef:
        """The row by which a change is told."""
        row = {
            "app": CHANGES,
            "place": change.id,
            "what": change.what.value,
            "at": milliseconds(change.at),
            "expires_at": int(change.at) + CHANGES_KEPT,
        }
        return {"Put": {"TableName": self.table, "Item": to_item({**row_of(change.incident, self.seal), **row})}}

    def _written(self, parts: Mapping[str, TransactWriteItemTypeDef], change: Change) -> bool:
        """Whether all parts are written: not, where another writer came between."""

        def stands() -> bool:
            place = Place(self.table, {"app": CHANGES, "place": change.id})
            return read_rows(self.client, [place]) != [None]

        return not transact(self.client, parts, what=_WHAT, written=stands)

    def _is_full(self, incident: Incident) -> bool:
        scope, most = incident.finding.scope, MAX_OPEN
        if scope in ("network", "population"):
            most = MAX_OPEN_OF_NETWORKS if scope == "network" else MAX_OPEN_UNNAMED
        values = {":app": incident.app, ":first": open_place(f"{incident.finding.detector}-")}
        with unavailable_on_failure(f"dynamodb:Query {CALLED}"):
            answer = self.client.query(
                TableName=self.table,
                KeyConditionExpression="app = :app AND begins_with(place, :first)",
                ExpressionAttributeValues=to_item(values),
                Select="COUNT",
                Limit=most,
            )
        return answer["Count"] >= most


def _before(last: Mapping[str, Any]) -> Before:
    return Before(last["reopens_at"] / 1000, last["last"] / 1000, last.get("held_size", 0))


def _change(what: Happened, incident: Incident, now: float) -> Change:
    return Change(f"{milliseconds(now):014d}#{incident.id}#{what.value}#{secrets.token_hex(4)}", what, now, incident)
