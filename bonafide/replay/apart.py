"""What sets some devices apart: signals and findings that recorded decisions have, beside those of all other devices.

Tallies count what every decision has (reason, build, model ...). What an app's detectors reported and what verification
noted is in the recorded decisions alone, and it is what a rule can name best.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from attestation.appraisal.replay.recorded_decision import DamagedRecord, RecordedDecision, read_decisions

from bonafide.replay.decisions import Part, read_part

MOST: Final = 20
"""Rows that are told."""
MAX_KEYS: Final = 200_000
MAX_SECONDS: Final = 10.0

_RULE: Final = "rule:"
_DIRECT: Final[Mapping[str, str]] = {
    "platform": "platform",
    "build": "app_build",
    "os": "os",
    "model": "model",
    "country": "country",
}
_OTHER: Final = "other"


@dataclass(frozen=True, slots=True)
class Apart:
    """One fact. ``fact`` is ``signal`` or ``finding``, ``keys`` those of the devices in question that have it,
    ``elsewhere`` all others that have it."""

    fact: str
    value: str
    keys: int
    elsewhere: int


@dataclass(slots=True)
class Comparison:
    """What was compared. ``keys`` are those in question, ``others`` the rest; ``whole`` says that all was read."""

    keys: int
    others: int
    whole: bool
    rows: list[Apart] = field(default_factory=list)

    def to_record(self) -> dict[str, Any]:
        rows = [
            {"fact": row.fact, "value": row.value, "keys": row.keys, "elsewhere": row.elsewhere} for row in self.rows
        ]
        return {"keys": self.keys, "others": self.others, "whole": self.whole, "rows": rows}


def compare(
    parts: Sequence[Part],
    facts: Mapping[str, str],
    *,
    app: str,
    since: float,
    s3: Callable[[], Any],
    clock: Callable[[], float] = time.monotonic,
) -> Comparison:
    """The newest parts first, until all were read or time is up: what devices with these facts have that others lack.

    ``facts`` are named as in tallies; of ``why`` the rule or the reason counts, and ``route`` not at all.
    """
    deadline, whole = clock() + MAX_SECONDS, True
    chosen: dict[str, set[tuple[str, str]]] = {}
    others: dict[str, set[tuple[str, str]]] = {}
    for decision in _decisions(reversed(parts), s3):
        if clock() > deadline or len(chosen) + len(others) > MAX_KEYS:
            whole = False
            break
        if decision.app != app or decision.at < since or not decision.key_id or decision.secrets:
            continue
        seen = chosen if _has(decision, facts) else others
        seen.setdefault(decision.key_id, set()).update(_facts_of(decision))
    for key in chosen:
        others.pop(key, None)  # before it showed these facts, it was the same device
    return Comparison(len(chosen), len(others), whole, _rows(chosen, others))


def _decisions(parts: Iterable[Part], s3: Callable[[], Any]) -> Iterable[RecordedDecision]:
    for part in parts:
        for line in read_part(part, s3, lambda _read: None):
            try:
                yield from read_decisions(line or "")
            except DamagedRecord:
                continue


def _has(decision: RecordedDecision, facts: Mapping[str, str]) -> bool:
    for name, value in facts.items():
        if name in _DIRECT and getattr(decision, _DIRECT[name]) != value:
            return False
        if name == "why" and value:
            if value.startswith(_RULE) and value.removeprefix(_RULE) not in decision.rules:
                return False
            if not value.startswith(_RULE) and value != decision.reason:
                return False
        if name in ("signal", "finding") and (name, value) not in _facts_of(decision):
            return False
    return True


def _facts_of(decision: RecordedDecision) -> set[tuple[str, str]]:
    if decision.facts is None:
        return set()
    signals = decision.facts.context.get("signals")
    found = set[tuple[str, str]]()
    if isinstance(signals, Mapping):
        named = [*(name for name in signals if name != _OTHER), *_texts(signals.get(_OTHER))]
        found |= {("signal", str(name)) for name in named}
    return found | {("finding", name) for name in _texts(decision.facts.claims.get("findings"))}


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list | tuple) else []


def _rows(chosen: Mapping[str, set[tuple[str, str]]], others: Mapping[str, set[tuple[str, str]]]) -> list[Apart]:
    counts: dict[tuple[str, str], list[int]] = {}
    for side, devices in enumerate((chosen, others)):
        for facts in devices.values():
            for fact in facts:
                counts.setdefault(fact, [0, 0])[side] += 1
    rows = [Apart(*fact, keys, elsewhere) for fact, (keys, elsewhere) in counts.items() if keys]
    return sorted(rows, key=lambda row: (row.elsewhere - row.keys, row.elsewhere, row.fact, row.value))[:MOST]
