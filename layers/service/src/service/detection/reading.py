"""Sightings of decision lines: opens the facts that verifiers sealed, and names them by pseudonyms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from attestation.appraisal.replay.recorded_decision import DamagedRecord, decision_members

from service.detection.detection_facts import DetectionFacts
from service.detection.epochs import KeysOfEpochs
from service.detection.issuer_marks import issuer_mark
from service.detection.sealed_facts import UnreadableFacts, epoch_of_sealed, open_sealed
from service.detection.sighting import Sighting

SOURCES: Final = frozenset({"enrol", "renew", "signal"})
DAMAGED: Final = "damaged"
UNSEALED: Final = "unsealed"
UNREADABLE: Final = "unreadable"
NO_KEY: Final = "no-key"
TIMELESS: Final = "out-of-time"
AHEAD: Final = 60.0
"""Seconds that another machine's clock may be ahead."""

_OBSERVED: Final = " (observed)"
_OUTCOMES: Final = frozenset({"accepted", "refused", "unavailable"})
_TEXT: Final = 96
_MAX_TEXT: Final = 128
_HOUR: Final = 3600


def sightings_of(
    lines: Iterable[str | None], keys: KeysOfEpochs, now: float, damaged: Counter[str] | None = None
) -> Iterator[Sighting]:
    """The sightings of the decision lines among ``lines``, in order; other lines are none.

    Never raises. ``damaged`` counts what was not as it should be, by a closed list: ``damaged`` lines and those
    ``out-of-time`` (later than ``now`` and :data:`AHEAD`) give no sighting; one whose facts are ``unsealed`` (the
    verifier had no key), ``unreadable``, or of an epoch without keys (``no-key``) gives a sighting without them.
    """
    counted: Counter[str] = Counter() if damaged is None else damaged
    for line in lines:
        if line is None:
            counted[DAMAGED] += 1
            continue
        try:
            for members in decision_members(line):
                if _is_one_of(SOURCES, members.get("action")):
                    yield from _sighting(members, keys, now, counted)
        except DamagedRecord:
            counted[DAMAGED] += 1


def _sighting(members: Mapping[str, Any], keys: KeysOfEpochs, now: float, counted: Counter[str]) -> Iterator[Sighting]:
    at, outcome = members.get("at"), members.get("outcome")
    if not isinstance(at, int | float) or isinstance(at, bool) or not 0 <= at <= now + AHEAD:
        counted[TIMELESS] += 1
        return
    if not _is_one_of(_OUTCOMES, outcome):
        counted[DAMAGED] += 1
        return
    epoch, facts = _facts(members.get("detection"), keys, counted)
    proved = facts.proved
    own, before = keys.of(epoch), keys.of(epoch - 1)
    yield Sighting(
        at=float(at),
        app=_text(members, "app"),
        source=members["action"],
        outcome=str(outcome),
        why=_why(members, str(outcome)),
        key_id=_text(members, "key_id") if proved else "",
        proved=proved,
        platform=_text(members, "platform"),
        app_build=_text(members, "app_build"),
        os=_text(members, "os"),
        model=_text(members, "model"),
        country=_text(members, "country"),
        signer=facts.signer,
        issuer="" if own is None else own.pseudonym("issuer", facts.issuer),
        issuer_kind=facts.issuer_kind,
        earlier_issuer="" if before is None else before.pseudonym("issuer", facts.issuer),
        issuer_mark="" if own is None else issuer_mark(own.facts, facts.issuer),
        network="" if own is None else own.pseudonym("network", facts.network),
        request_key="" if own is None else own.pseudonym("request-key", facts.request_key),
        delay=facts.delay,
        handed_along=facts.handed_along,
        counter=facts.counter,
        risk_metric=facts.risk_metric,
        enrolled_hours=None if facts.enrolled_seconds is None else facts.enrolled_seconds / _HOUR,
        home_country=facts.home_country,
        id=_text(members, "request_id"),
    )


def _facts(sealed: object, keys: KeysOfEpochs, counted: Counter[str]) -> tuple[int, DetectionFacts]:
    if not isinstance(sealed, str):
        counted[UNSEALED] += 1
        return -1, DetectionFacts()
    try:
        epoch = epoch_of_sealed(sealed)
        own = keys.of(epoch)
        if own is None:
            counted[NO_KEY] += 1
            return epoch, DetectionFacts()
        return epoch, open_sealed(sealed, key=own.facts)
    except UnreadableFacts:
        counted[UNREADABLE] += 1
        return -1, DetectionFacts()


def _why(members: Mapping[str, Any], outcome: str) -> str:
    """As tallies have it: the rule that refused or warned, else the reason."""
    rule = _text(members, "decided_by")
    if outcome == "accepted":
        found = members.get("findings")
        enforced = (str(one) for one in found if not str(one).endswith(_OBSERVED)) if isinstance(found, list) else ()
        rule = next(iter(enforced), "")[:_TEXT]
    if rule:
        return f"rule:{rule}"
    return "" if outcome == "accepted" else _text(members, "reason")


def _is_one_of(names: frozenset[str], value: object) -> bool:
    return isinstance(value, str) and value in names


def _text(members: Mapping[str, Any], name: str) -> str:
    """A text of the line; empty for anything else. No controls: it may end on a terminal."""
    text = members.get(name)
    if not isinstance(text, str):
        return ""
    text = text[:_MAX_TEXT]
    return text if text.isprintable() else "".join(sign if sign.isprintable() else "\ufffd" for sign in text)
