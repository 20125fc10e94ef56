"""What is told of an incident: one document, the same on the event bus and in webhooks (docs/alerts.md).

It names no key, no certificate and no network: who is told is beyond this stack's reach, in channels of other companies
whose readers are not chosen here. Counts say how many; ``bonafide incident show`` says whom, to operators that may ask.
Builds, models and the like are words of phones, so texts come without what chats, mail and templates take for markup.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum, unique
from typing import Any, Final

MAX_EVENT_BYTES: Final = 16_384
"""No event is larger; the bounds of its members see to that."""

_TEXT_OCTETS: Final = 480
_NAME_OCTETS: Final = 120
_MOST_SENTENCES: Final = 8
_MOST_NAMED: Final = 12
_MOST_COUNTS: Final = 16
_SHORTENED: Final = "..."
_LOOK: Final = "Look at the incident."
# A key id, the thumbprint of a key, the digest of a certificate: 32 bytes in base64url, or in hexadecimal.
_DIGEST: Final = re.compile(r"(?<![\w-])(?:[A-Za-z0-9_-]{43}|[0-9A-Fa-f]{64})(?![\w-])", re.ASCII)
_ADDRESS: Final = re.compile(r"(?<![\w.])(?:\d{1,3}(?:\.\d{1,3}){3}|(?=[\w:]*:[\w:]*:)[0-9A-Fa-f:]{4,39})(?:/\d{1,3})?")
_MARKUP: Final = str.maketrans(dict.fromkeys('"`', "'") | dict.fromkeys("\\<>&|{}", " "))
_MARKS_OF_CHATS: Final = re.compile(r"(?<![\w.])@(?=\w)|\b[a-z][a-z0-9+.-]*://\S*", re.I)


@unique
class Change(StrEnum):
    """What happened to an incident: the ``type`` of its event."""

    OPENED = "incident.opened"
    GREW = "incident.grew"
    ENDED = "incident.ended"
    CLOSED = "incident.closed"


TEST: Final = "webhook.test"
"""The type of an event that an operator asked for, to see whether it arrives."""


@unique
class Severity(StrEnum):
    """How urgent, in the words of PagerDuty's events."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"


_SEVERITIES: Final = tuple(Severity)
_HOSTILE: Final = frozenset(
    {"key-farm", "leaked-keybox", "attestation-broker", "clone-storm", "replay-storm", "failing-build"}
)
"""Detectors whose incidents are an error while they are sure of them; others warn."""
_SURE: Final = 0.7


@dataclass(frozen=True, slots=True)
class Told:
    """An event: ``id`` is the same however often it is told, ``at`` Unix seconds, ``document`` what is told."""

    id: str
    at: float
    document: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The document as it is sent: ASCII, so that its length is its size."""
        return json.dumps(self.document, separators=(",", ":"), ensure_ascii=True)


def event_of(change: Change, incident: Mapping[str, Any], *, stack: str, at: float, name: str) -> Told:
    """The event of a change. ``incident`` is one as the Admin API shows it, but for all apps, whose name is empty here;
    ``name`` is the change's own, the same when it is told again."""
    told = {
        "summary": _summary(change, incident),
        "severity": _severity(change, incident).value,
        "stack": _plain(stack, _NAME_OCTETS),
        "incident": _incident(incident),
    }
    return _told(f"{stack}/{name}", change.value, told, at)


def trial_event(webhook: str, *, stack: str, at: float, drawn: str) -> Told:
    """An event that says only that it is one. ``drawn`` tells one from the next."""
    told = {
        "summary": "A test of this webhook: nothing happened.",
        "severity": Severity.INFO.value,
        "stack": _plain(stack, _NAME_OCTETS),
        "webhook": webhook,
    }
    return _told(f"{webhook}/{drawn}", TEST, told, at)


def _told(name: str, kind: str, data: Mapping[str, Any], at: float) -> Told:
    event = f"evt_{hashlib.sha256(name.encode()).hexdigest()[:32]}"
    return Told(event, at, {"id": event, "type": kind, "timestamp": moment(at), "data": data})


def moment(at: float) -> str:
    """Unix seconds as RFC 3339, in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _incident(incident: Mapping[str, Any]) -> dict[str, Any]:
    closed, remedy = incident.get("closed") or {}, incident.get("remedy") or {}
    share = incident.get("own_signer_share")
    return {
        "id": _plain(incident["id"], _NAME_OCTETS, digests=True),
        "detector": _plain(incident["detector"], _NAME_OCTETS),
        "app": _plain(incident["app"], 2 * _NAME_OCTETS, digests=True),
        "state": _plain(incident["state"], _NAME_OCTETS),
        "title": _plain(incident["title"], _TEXT_OCTETS),
        "since": moment(incident["since"]),
        "last": moment(incident["last"]),
        "opened_at": moment(incident["opened_at"]),
        "ended_at": _moment_or_none(incident.get("ended_at")),
        "counts": {
            _plain(name, _NAME_OCTETS): int(number) for name, number in _first(incident["counts"], _MOST_COUNTS)
        },
        "named": {
            _plain(name, _NAME_OCTETS): _plain(value, _NAME_OCTETS)
            for name, value in _first(incident.get("named") or {}, _MOST_NAMED)
        },
        "confidence": round(float(incident["confidence"]), 3),
        "because": [_plain(one, _TEXT_OCTETS) for one in list(incident["because"])[:_MOST_SENTENCES]],
        "scope": _plain(incident["scope"], _NAME_OCTETS),
        "remedy": {
            "kind": _plain(remedy.get("kind", ""), _NAME_OCTETS),
            "text": _plain(remedy.get("text") or _LOOK, _TEXT_OCTETS),
        },
        "own_signer_share": None if share is None else round(float(share), 3),
        "closed_because": _plain(closed["reason"], _TEXT_OCTETS) if closed else None,
        "look": _look(incident),
    }


def _look(incident: Mapping[str, Any]) -> str:
    app = f" --app {incident['app']}" if incident["app"] else ""
    return _plain(f"bonafide incident show {incident['id']}{app}", 3 * _NAME_OCTETS, digests=True)


def _first(members: Mapping[str, Any], most: int) -> Iterable[tuple[str, Any]]:
    return sorted(members.items())[:most]


def _moment_or_none(at: float | None) -> str | None:
    return None if at is None else moment(at)


_SAID: Final = {
    Change.OPENED: "",
    Change.GREW: "Ten times as large: ",
    Change.ENDED: "Over: ",
    Change.CLOSED: "Closed: ",
}


def _summary(change: Change, incident: Mapping[str, Any]) -> str:
    whose = _plain(incident["app"], 2 * _NAME_OCTETS, digests=True) or "all apps"
    return _plain(f"{whose}: {_SAID[change]}{incident['title']}", _TEXT_OCTETS)


def _severity(change: Change, incident: Mapping[str, Any]) -> Severity:
    place = _SEVERITIES.index(Severity.ERROR if incident["detector"] in _HOSTILE else Severity.WARNING)
    place += (change is Change.GREW) - (float(incident["confidence"]) < _SURE)
    return _SEVERITIES[max(0, min(place, len(_SEVERITIES) - 1))]


def _plain(text: object, octets: int, *, digests: bool = False) -> str:
    """``text`` as one line without markup, of at most ``octets`` as JSON in ASCII writes it, and without what may name
    a key, a certificate or a network, unless ``digests`` is said of a name that is this stack's own."""
    line = " ".join(str(text)[: 4 * octets].translate(_MARKUP).split())
    line = "".join(one if one.isprintable() else " " for one in _MARKS_OF_CHATS.sub(" ", line))
    if not digests:
        line = _ADDRESS.sub("[network]", _DIGEST.sub("[key]", line))
    if len(json.dumps(line)) - 2 <= octets:
        return line
    size = len(_SHORTENED)
    for place, character in enumerate(line):
        size += len(json.dumps(character)) - 2
        if size > octets:
            return line[:place] + _SHORTENED
    return line
