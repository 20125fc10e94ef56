"""Rows of the ``incidents`` table.

=================  =====================================================================================================
partition, place   what
=================  =====================================================================================================
app, open#id       an incident that is open
app, past#time#id  one that ended or was closed, by the time of its opening in milliseconds
app, last#id       the place of the latest past one, and until when no other opens
!changes, time#…   what became of one, until all who are told have taken it
!erased, key       a key that was erased: no incident names it again
=================  =====================================================================================================

An app's partition is read by its open ones, by a window of time, or by one id: always a query, never a scan.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from service.detection.finding import ALL_APPS, Finding, Remedy
from service.errors import Unreadable
from service.incidents.incident import Change, Closed, Happened, Incident, State
from service.incidents.sealing import MemberSeal

CHANGES: Final = "!changes"
"""The partition of changes: no app has this name."""
OPEN: Final = "open#"
PAST: Final = "past#"
LAST: Final = "last#"
CHANGES_KEPT: Final = 14 * 86_400
"""Seconds after which a change that could not be told is given up."""
_LONG: Final = ("title", "counts", "named", "because", "remedy", "confidence", "quiet_after", "own_signer_share")


def open_place(incident_id: str) -> str:
    """Where an open incident is."""
    return f"{OPEN}{incident_id}"


def past_place(incident: Incident) -> str:
    """Where an incident is that is over."""
    return f"{past_from(incident.opened_at)}#{incident.id}"


def past_from(at: float) -> str:
    """Incidents that were opened at a time, or later, have this place or a later one."""
    return f"{PAST}{milliseconds(at):014d}"


def last_place(incident_id: str) -> str:
    """Where the latest past incident of an id is told."""
    return f"{LAST}{incident_id}"


def milliseconds(at: float) -> int:
    """A time as rows have it."""
    return max(0, round(at * 1000))


class Names(NamedTuple):
    """Whom a row names: keys, and certificates by their marks."""

    keys: Sequence[str] = ()
    issuers: Sequence[str] = ()


def sealed_names(names: Names, seal: MemberSeal, *, of: str, now: float) -> bytes:
    """The attribute ``keys`` of the incident ``of``. Raises :class:`~service.errors.Unavailable`."""
    return seal.seal(json.dumps(names, separators=(",", ":")).encode(), of=of, now=now)


def names_of(row: Mapping[str, Any], seal: MemberSeal) -> Names | None:
    """What :func:`sealed_names` sealed; ``None`` where there is none, or it cannot be unsealed any more. Raises
    :class:`~service.errors.Unavailable`, and what reading damaged JSON raises."""
    sealed = None if row.get("keys") is None else seal.open(row["keys"], of=row["id"])
    return None if sealed is None else Names(*json.loads(sealed))


def row_of(incident: Incident, seal: MemberSeal) -> dict[str, object]:
    """The members of an incident's row but its key. Its keys are sealed, and the marks of certificates. Raises
    :class:`~service.errors.Unavailable`."""
    record, finding = incident.to_record(), incident.finding
    names = Names(finding.keys, finding.issuers)
    return {
        "id": incident.id,
        "of_app": incident.app,
        "detector": incident.finding.detector,
        "subject": incident.finding.subject,
        "scope": incident.finding.scope,
        "state": incident.state.value,
        "opened_at": milliseconds(incident.opened_at),
        "written_at": milliseconds(incident.written_at),
        "ended_at": None if incident.ended_at is None else milliseconds(incident.ended_at),
        "since": milliseconds(incident.finding.since),
        "last": milliseconds(incident.finding.last),
        "told_size": incident.told_size,
        "closed": None if incident.closed is None else json.dumps(record["closed"]),
        "finding": json.dumps({name: record[name] for name in _LONG}, separators=(",", ":")),
        "keys": sealed_names(names, seal, of=incident.id, now=incident.written_at) if any(names) else None,
    }


def incident_of(row: Mapping[str, Any], seal: MemberSeal) -> Incident:
    """The incident in a row; without keys where they cannot be unsealed any more. Raises
    :class:`~service.errors.Unreadable` for a damaged one."""
    try:
        long: dict[str, Any] = json.loads(row["finding"])
        keys, issuers = names_of(row, seal) or Names()
        finding = Finding(
            detector=row["detector"],
            subject=row["subject"],
            app="" if row["of_app"] == ALL_APPS else row["of_app"],
            scope=row["scope"],
            since=row["since"] / 1000,
            last=row["last"] / 1000,
            keys=tuple(keys),
            issuers=tuple(issuers),
            **{**long, "because": tuple(long["because"]), "remedy": Remedy(**long["remedy"])},
        )
        closed = row.get("closed")
        return Incident(
            finding=finding,
            state=State(row["state"]),
            opened_at=row["opened_at"] / 1000,
            written_at=row["written_at"] / 1000,
            told_size=row["told_size"],
            ended_at=None if row.get("ended_at") is None else row["ended_at"] / 1000,
            closed=None if closed is None else Closed(**json.loads(closed)),
            revision=row.get("revision", ""),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Unreadable("a row of the incidents table cannot be read") from error


def change_of(row: Mapping[str, Any], seal: MemberSeal) -> Change:
    """The change in a row. Raises :class:`~service.errors.Unreadable`."""
    incident = incident_of(row, seal)
    try:
        return Change(row["place"], Happened(row["what"]), row["at"] / 1000, incident)
    except (KeyError, TypeError, ValueError) as error:
        raise Unreadable("a row of the incidents table is no change") from error
