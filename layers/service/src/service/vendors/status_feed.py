"""Refresh Google's attestation status list: fetch it, read it strictly, and store it, or keep the last good one and say
why.

A list is only taken when the library can read it; what it read past (entries named by no serial number) is told to the
operator, and a list that lost most of its entries is not believed. The age that counts is since Google was last heard
confirming the list: an answer's ``Age`` (a cache between us) is added, and a 304 confirms what we have.
``Cache-Control`` says when asking again is of use; it is obeyed up to a quarter of the limit on age, so that a wrong
header cannot blind us.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from typing import Final, Protocol

from attestation.android.revocation import parse_status_list
from attestation.errors import EndorsementsUnavailable

from service.vendors.outbound import Answer, Unreachable
from service.vendors.status_lists import MAX_STORED_BYTES, StatusLists, StoredStatusList, packed, unpacked

SHRINKAGE_FROM: Final = 100
"""Entries from which a list that lost more than half of them is not believed: an empty list revokes nothing, and is
what a half-working server sends. ``{"action": "refresh", "accept_shrunken": true}`` takes it, if an operator knows."""

_DIRECTIVE: Final = re.compile(r"([a-z-]+)(?:\s*=\s*\"?([0-9]{1,9})\"?)?\Z")
_ETAG: Final = re.compile(r"(?:W/)?\"[!#-~]{0,128}\"\Z")
_MAX_SECONDS: Final = 366 * 86_400


@unique
class Outcome(StrEnum):
    """How a refresh ended."""

    REPLACED = "replaced"
    CONFIRMED = "confirmed"
    FRESH = "fresh"  # nothing to ask: the vendor said so
    KEPT = "kept"  # something is wrong, the last good list goes on
    OVERTAKEN = "overtaken"  # another refresh was faster


@dataclass(frozen=True, slots=True, kw_only=True)
class Refresh:
    """What a refresh did. ``age`` is the stored list's in seconds, ``None`` while there is none; ``detail`` says what
    is wrong or odd, for the operator."""

    outcome: Outcome
    age: float | None
    entries: int | None
    detail: str = ""

    def to_record(self) -> dict[str, object]:
        """For the function's answer and the log."""
        return {"outcome": self.outcome.value, "age": self.age, "entries": self.entries, "detail": self.detail}


class Fetch(Protocol):
    """One GET of the list. Raises :class:`~service.vendors.outbound.Unreachable`."""

    def __call__(self, *, etag: str | None) -> Answer: ...


class _Unusable(Exception):
    """The answer is no list to go by; the message says why."""


def refresh_status_list(
    table: StatusLists, fetch: Fetch, *, max_age: float, now: float, force: bool = False, accept_shrunken: bool = False
) -> Refresh:
    """Bring the stored list up to date at ``now`` (Unix seconds). ``max_age`` is the limit on its age, in seconds.

    ``force`` asks although the vendor said that it is of no use yet, and for the whole list. Raises
    :class:`~service.errors.Unavailable` when the table does; whatever is wrong with the vendor is an outcome.
    """
    stands = table.find()
    if stands is not None and not force and now < stands.fresh_until:
        return _refresh(Outcome.FRESH, stands, now)
    try:
        etag = None if stands is None or force else stands.etag
        answer = fetch(etag=etag)
        newer = _newer(
            stands,
            answer,
            asked_for_changes=etag is not None,
            max_age=max_age,
            now=now,
            accept_shrunken=accept_shrunken,
        )
    except (Unreachable, _Unusable, EndorsementsUnavailable) as error:
        return _refresh(Outcome.KEPT, stands, now, str(error))
    if not table.replace(newer):
        return _refresh(Outcome.OVERTAKEN, table.find(), now)
    if stands is not None and newer.content == stands.content:
        return _refresh(Outcome.CONFIRMED, newer, now)
    return _refresh(Outcome.REPLACED, newer, now, _remark(newer))


def _remark(row: StoredStatusList) -> str:
    """What an operator should know of a list that was taken all the same."""
    unread = parse_status_list(unpacked(row.content), fetched_at=row.fetched_at).unread
    return f"taken, though {unread} of its entries are not named by a serial number" if unread else ""


def _refresh(outcome: Outcome, stands: StoredStatusList | None, now: float, detail: str = "") -> Refresh:
    if stands is None:
        return Refresh(outcome=outcome, age=None, entries=None, detail=detail)
    return Refresh(outcome=outcome, age=max(0.0, now - stands.fetched_at), entries=stands.entries, detail=detail)


def _newer(
    stands: StoredStatusList | None,
    answer: Answer,
    *,
    asked_for_changes: bool,
    max_age: float,
    now: float,
    accept_shrunken: bool,
) -> StoredStatusList:
    fetched_at, fresh_until = _dates(answer.headers, max_age=max_age, now=now)
    # Only to a question about changes: otherwise a server that answers 304 keeps an old list young for ever.
    if answer.status == 304 and stands is not None and asked_for_changes:
        return replace(
            stands,
            fetched_at=max(fetched_at, stands.fetched_at),
            fresh_until=fresh_until,
            revision=stands.revision + 1,
        )
    if 300 <= answer.status < 400 and answer.status != 304:
        raise _Unusable(f"redirected (status {answer.status}), which is not followed: correct AndroidStatusListUrl")
    if answer.status != 200:
        raise _Unusable(f"answered with status {answer.status}")
    if answer.media_type != "application/json":
        raise _Unusable("answered with another media type than application/json")
    if stands is not None and fetched_at < stands.fetched_at:
        raise _Unusable("a cache answered with an older list than the one at hand")
    entries = len(parse_status_list(answer.body, fetched_at=fetched_at).entries)
    if stands is not None and stands.entries >= SHRINKAGE_FROM and 2 * entries < stands.entries and not accept_shrunken:
        raise _Unusable(f"the list shrank from {stands.entries} to {entries} entries, which is not believed")
    content = packed(answer.body)
    if len(content) > MAX_STORED_BYTES:
        raise _Unusable(f"the compressed list has {len(content)} bytes, more than a table row holds")
    etag = answer.headers.get("etag", "")
    return StoredStatusList(
        content=content,
        entries=entries,
        etag=etag if _ETAG.match(etag) else None,
        fetched_at=fetched_at,
        fresh_until=fresh_until,
        revision=1 if stands is None else stands.revision + 1,
    )


def _dates(headers: Mapping[str, str], *, max_age: float, now: float) -> tuple[int, int]:
    """When the vendor said it, and until when asking again is of no use (RFC 9111 §4.2)."""
    text = headers.get("age", "").strip()
    age = min(int(text), _MAX_SECONDS) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    directives: dict[str, str | None] = {}
    for part in headers.get("cache-control", "").lower().split(","):
        match = _DIRECTIVE.match(part.strip())
        if match:
            directives.setdefault(match[1], match[2])
    lifetime = 0.0
    if not directives.keys() & {"no-cache", "no-store"}:
        lifetime = min(float(directives.get("max-age") or 0), max_age / 4)
    return int(now) - age, int(now + max(0.0, lifetime - age))
