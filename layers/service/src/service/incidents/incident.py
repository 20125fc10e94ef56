"""An incident: a finding that is kept, from its opening to its end. Pure: what becomes of one, and no table.

Findings come again and in any order, of several deliveries at once. So a merge keeps the earliest ``since``, the latest
``last`` and each count's greatest value, and takes the sentences of the finding that rests on the latest decision: the
same findings in whatever order make the same incident.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum, unique
from typing import Final, NamedTuple, Protocol

from service.detection.finding import ALL_APPS, MAX_KEYS, Finding, incident_id

HELD: Final = 86_400
"""Seconds after an operator's closing in which the same finding opens no incident again."""
WRITTEN_EVERY: Final = 60.0
"""Seconds after which an incident that changed a little is written again."""
WORTH: Final = 1.25
"""An incident whose counts grew by a quarter is written at once."""
TENFOLD: Final = 10
MAX_CLOSED_BECAUSE: Final = 400


@unique
class State(StrEnum):
    """Where an incident stands."""

    OPEN = "open"
    ENDED = "ended"  # by itself: nothing new came for as long as the finding says
    CLOSED = "closed"  # by an operator, with a reason


@unique
class Happened(StrEnum):
    """What became of an incident, for those who are told."""

    OPENED = "opened"
    GREW = "grew"  # tenfold since it was told last
    UPDATED = "updated"  # new keys or counts: for documents, not for people
    ENDED = "ended"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """Who closed an incident, why and when (Unix seconds)."""

    by: str
    reason: str
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One incident. Times are Unix seconds, to the millisecond. ``told_size`` is how large it was when it was told
    last; ``written_at`` when its row was written, and ``revision`` which of its writes that was."""

    finding: Finding
    state: State = State.OPEN
    opened_at: float
    written_at: float
    told_size: int
    ended_at: float | None = None
    closed: Closed | None = None
    revision: str = field(default="", compare=False, repr=False)

    @property
    def id(self) -> str:
        """As :func:`~service.detection.finding.incident_id` says: the same finding has it again after an end."""
        return incident_id(self.finding)

    @property
    def app(self) -> str:
        """The app, or :data:`~service.detection.finding.ALL_APPS`."""
        return self.finding.app or ALL_APPS

    @property
    def ends_at(self) -> float:
        """When it ends by itself if nothing new comes."""
        return self.finding.last + self.finding.quiet_after

    def to_record(self) -> dict[str, object]:
        """JSON-ready: the finding's members, and its own."""
        finding = self.finding
        return {
            "id": self.id,
            "app": self.app,
            "state": self.state.value,
            "opened_at": self.opened_at,
            "ended_at": self.ended_at,
            "closed": None
            if self.closed is None
            else {"by": self.closed.by, "reason": self.closed.reason, "at": self.closed.at},
            "detector": finding.detector,
            "subject": finding.subject,
            "since": finding.since,
            "last": finding.last,
            "title": finding.title,
            "counts": dict(finding.counts),
            "keys": list(finding.keys),
            "named": dict(finding.named),
            "confidence": finding.confidence,
            "because": list(finding.because),
            "scope": finding.scope,
            "remedy": {
                "kind": finding.remedy.kind,
                "text": finding.remedy.text,
                "rule": finding.remedy.rule,
                "command": finding.remedy.command,
            },
            "quiet_after": finding.quiet_after,
            "own_signer_share": finding.own_signer_share,
        }


@dataclass(frozen=True, slots=True)
class Change:
    """What became of an incident, and how it stood then. ``id`` is different for every change, and the same when one is
    handed over again."""

    id: str
    what: Happened
    at: float
    incident: Incident


class IncidentSink(Protocol):
    """One who is told of changes: the policies' document, events, webhooks."""

    @property
    def name(self) -> str:
        """Lower case and hyphens; by it the table remembers what was taken."""
        ...

    def take(self, changes: tuple[Change, ...], now: float) -> None:
        """Take changes, in the order in which they were written. One that was taken may come again, with its id. Where
        this raises, each comes again on its own, and a minute later those that were not taken then."""
        ...


class Before(NamedTuple):
    """What is known of the last incident with this id, after its end: until when no other opens that is smaller than
    ``held_size`` (0: none at all), and the latest decision that it rested on."""

    reopens_at: float = 0.0
    last: float = float("-inf")
    held_size: int = 0


@dataclass(frozen=True, slots=True)
class Merged:
    """An incident after a finding, and what became of it; ``None`` where it is not worth a write."""

    incident: Incident
    what: Happened | None = field(default=None)


def may_open(finding: Finding, before: Before, now: float) -> bool:
    """Whether a finding opens an incident where none is open: not while an operator's closing holds, not by decisions
    that the last one rested on already, and not when it would have ended by now.

    A closing holds for what is less than ten times as large. The attack: a small false alarm is made, and what follows
    once it was closed has the day for itself.
    """
    held = before.reopens_at > now and not 0 < before.held_size <= size_of(finding.counts)
    return not held and finding.last > before.last and finding.last + finding.quiet_after > now


def held_size(incident: Incident) -> int:
    """How large a finding is that opens an incident again although one was closed."""
    return TENFOLD * max(1, size_of(incident.finding.counts))


def opened(finding: Finding, now: float) -> Incident:
    """The incident that a finding opens."""
    return Incident(finding=finding, opened_at=now, written_at=now, told_size=size_of(finding.counts))


def merged(incident: Incident, finding: Finding, now: float) -> Merged:
    """An open incident after a finding of the same id."""
    before = incident.finding
    newer, older = (finding, before) if finding.last >= before.last else (before, finding)
    after = replace(
        newer,
        since=min(finding.since, before.since),
        counts={name: max(older.counts.get(name, 0), newer.counts.get(name, 0)) for name in _names(newer, older)},
        keys=tuple(dict.fromkeys((*newer.keys, *older.keys)))[:MAX_KEYS],
        issuers=(*newer.issuers, *older.issuers),
    )
    if after == before:
        return Merged(incident)
    what = None
    size = size_of(after.counts)
    if size >= TENFOLD * max(1, incident.told_size):
        what = Happened.GREW
    elif _grew(before.counts, after.counts) or now - incident.written_at >= WRITTEN_EVERY:
        what = Happened.UPDATED
    told = size if what is Happened.GREW else incident.told_size
    return Merged(replace(incident, finding=after, written_at=now, told_size=told), what)


def ended(incident: Incident, now: float) -> Incident:
    """An open incident that ended by itself."""
    return replace(incident, state=State.ENDED, ended_at=now, written_at=now)


def closed(incident: Incident, *, by: str, reason: str, now: float) -> Incident:
    """An open incident that an operator closed."""
    reason = reason[:MAX_CLOSED_BECAUSE]
    return replace(
        incident, state=State.CLOSED, ended_at=now, written_at=now, closed=Closed(by=by, reason=reason, at=now)
    )


def size_of(counts: Mapping[str, int]) -> int:
    """How large an incident is: its greatest count."""
    return max(counts.values(), default=0)


def _names(newer: Finding, older: Finding) -> list[str]:
    return list(dict.fromkeys((*newer.counts, *older.counts)))


def _grew(before: Mapping[str, int], after: Mapping[str, int]) -> bool:
    return any(value > before.get(name, 0) and value >= WORTH * before.get(name, 0) for name, value in after.items())
