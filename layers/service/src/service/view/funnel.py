"""Where devices fall out, from the challenge to the renewal: a pure function over tallies.

Nothing identifies a device before its key does, so the steps up to ``accepted`` count *attempts*, exactly, and the
steps after it are *devices*, estimated by sketches of their keys:

* ``challenge``: challenges that apps asked for, less those that came back with a renewal;
* ``evidence``: enrolments that were decided, whatever the decision;
* ``verified``: those whose evidence held, also where a policy, a block or a bound then refused;
* ``accepted``: those that were answered with a token;
* ``used``: different keys whose requests the gate let through;
* ``renewed``: different keys that renewed.

An attempt that ends without evidence is a report of its device, or nothing: challenges beyond evidence and reports are
*unexplained*. No cause is made up for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from attestation.errors import Reason as EvidenceReason
from bonafide_tokens.counting.key_sketch import STANDARD_ERROR, KeySketch

from service.errors import Reason as ServiceReason
from service.tallies.rows import TallyRow
from service.telemetry.attestation_failures import BEFORE_CHALLENGE
from service.view.dimensions import value_of

SOURCES: Final = ("challenge", "beacon", "enrol", "renew", "authorize")
FACTS: Final = ("platform", "build", "os", "model")
"""What losses are told apart by: what enrolments and reports both know."""

UNEXPLAINED: Final = "unexplained"
UNRECORDED: Final = "unrecorded"
NO_REQUEST: Final = "no-request"

_RULE: Final = "rule:"
_AFTER_VERIFICATION: Final = frozenset(
    reason.value
    for reason in (
        EvidenceReason.BUILD_RETIRED,
        ServiceReason.APPRAISAL_CONTRAINDICATED,
        ServiceReason.CHALLENGE_SPENT,
        ServiceReason.DEVICE_ENROLMENTS,
        ServiceReason.KEY_ALREADY_ENROLLED,
        ServiceReason.KEY_BLOCKED,
    )
)
"""Refusals of an enrolment whose evidence had held."""

_BEFORE_CHALLENGE: Final = frozenset(code.value for code in BEFORE_CHALLENGE)
_SURE: Final = 2.0
"""Standard errors that two estimates must be apart to be called different."""


class _Loss(NamedTuple):
    after: str
    cause: str
    kind: str
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Counts:
    """What a window's rows add up to. ``ends`` are the attempts that ended, ``renewals`` the number of renewals."""

    issued: int = 0
    returned: int = 0
    evidence: int = 0
    verified: int = 0
    accepted: int = 0
    reported: int = 0
    unreached: int = 0
    ends: Counter[_Loss] = field(default_factory=Counter)
    renewals: int = 0
    unrecorded: Counter[str] = field(default_factory=Counter)
    holders: KeySketch = field(default_factory=KeySketch)
    used: KeySketch = field(default_factory=KeySketch)
    renewed: KeySketch = field(default_factory=KeySketch)
    data_until: int | None = None


class _Decision(NamedTuple):
    """Decisions of one kind. ``facts`` are ``None`` where they were not kept."""

    outcome: str
    why: str
    facts: Mapping[str, str] | None
    times: int


def funnel(
    rows: Iterable[TallyRow], *, by: Sequence[str] = (), only: Mapping[str, str] | None = None, limit: int = 100
) -> dict[str, object]:
    """The funnel of a window's ``rows``, as the schema ViewFunnel of docs/openapi.yaml has it.

    ``by`` are the facts by which losses are told apart; ``only`` the facts that attempts must have, of :data:`FACTS`
    both. Challenges have no facts, and sketches of keys neither: with ``only`` these steps are not known.
    """
    counts = _Counts()
    for row in rows:
        _add(counts, row, by, only or {})
    known = not only
    asked = max(0, counts.issued - counts.returned)
    arrived = counts.evidence + counts.reported
    silent = max(0, asked - arrived) if known else 0
    attempts = (max(asked, arrived) if known else arrived) + counts.unreached
    if silent:
        counts.ends[_Loss("challenge", UNEXPLAINED, UNEXPLAINED)] = silent
    holders, used, renewed = (round(one.estimate()) for one in (counts.holders, counts.used, counts.renewed))
    if known and holders - used > _SURE * STANDARD_ERROR * max(holders, used):
        counts.ends[_Loss("accepted", NO_REQUEST, "estimate")] = holders - used
    wholes = {"accepted": holders, "used": counts.renewals}
    losses = sorted(counts.ends.items(), key=lambda end: (-end[1], end[0]))
    rest = losses[limit:]
    return {
        "steps": [
            _attempts("challenge", asked if known else None, attempts),
            _attempts("evidence", counts.evidence, attempts),
            _attempts("verified", counts.verified, attempts),
            _attempts("accepted", counts.accepted, attempts),
            _devices("used", used if known else None, holders),
            _devices("renewed", renewed if known else None, holders),
        ],
        "losses": [
            {
                "after": loss.after,
                "cause": loss.cause,
                "kind": loss.kind,
                "count": count,
                "share": _share(count, wholes.get(loss.after, attempts)),
                "facts": dict(loss.facts),
            }
            for loss, count in losses[:limit]
        ],
        "not_shown": {"rows": len(rest), "count": sum(count for _, count in rest)},
        "unexplained": {"count": silent, "share": _share(silent, attempts)} if known else None,
        "excess": max(0, arrived - asked) if known else 0,
        "unrecorded": dict(sorted(counts.unrecorded.items())),
        "data_until": counts.data_until,
    }


def _add(counts: _Counts, row: TallyRow, by: Sequence[str], only: Mapping[str, str]) -> None:
    counts.data_until = max(row.at + row.step, counts.data_until or 0)
    if row.source == "challenge":
        issued = row.by_outcome()
        counts.issued += issued.get("issued", 0)
        counts.returned += issued.get("returned", 0)
        return
    for sketch in (row.keys.get("accepted"),):
        if sketch is not None:
            for known in _sketches(counts, row.source):
                known.merge(sketch)
    if row.source == "authorize":
        return
    for decision in _decisions(row):
        if decision.facts is None:
            counts.unrecorded[row.source] += decision.times
            if only:
                continue
        elif any(decision.facts[name] != wanted for name, wanted in only.items()):
            continue
        told = decision.facts or {}
        _count(counts, row.source, decision, tuple((name, told[name]) for name in by if name in told))


def _sketches(counts: _Counts, source: str) -> tuple[KeySketch, ...]:
    return {
        "enrol": (counts.holders,),
        "renew": (counts.holders, counts.renewed),
        "authorize": (counts.used,),
    }.get(source, ())


def _decisions(row: TallyRow) -> Iterable[_Decision]:
    """A row's decisions, those whose facts or reasons were not kept among them."""
    for cell, count in row.cells.items():
        facts = {name: value_of(row.source, cell, name) for name in FACTS}
        yield _Decision(cell.outcome, cell.why, facts if any(facts.values()) else None, count)
    left = Counter(dict(row.other))
    for why, count in row.other_by_why.items():
        left[why.outcome] -= count
        yield _Decision(why.outcome, why.why, None, count)
    for outcome, count in left.items():
        if count > 0:
            yield _Decision(outcome, "" if outcome == "accepted" else UNRECORDED, None, count)


def _count(counts: _Counts, source: str, decision: _Decision, facts: tuple[tuple[str, str], ...]) -> None:
    outcome, why, _, count = decision
    kind = UNRECORDED if why == UNRECORDED else outcome
    if source == "beacon":
        if outcome != "reported":
            return
        if why in _BEFORE_CHALLENGE:
            counts.unreached += count
        else:
            counts.reported += count
        counts.ends[_Loss("start" if why in _BEFORE_CHALLENGE else "challenge", why, kind, facts)] += count
    elif source == "renew":
        counts.renewals += count
        if outcome != "accepted":
            counts.ends[_Loss("used", why, kind, facts)] += count
    else:
        held = outcome == "accepted" or (outcome == "refused" and (why.startswith(_RULE) or why in _AFTER_VERIFICATION))
        counts.evidence += count
        counts.verified += count if held else 0
        if outcome == "accepted":
            counts.accepted += count
        else:
            counts.ends[_Loss("verified" if held else "evidence", why, kind, facts)] += count


def _share(part: int, whole: int) -> float | None:
    return round(min(1.0, part / whole), 6) if whole else None


def _attempts(step: str, count: int | None, whole: int) -> dict[str, object]:
    share = None if count is None else _share(count, whole)
    return {"step": step, "count": count, "share": share, "of": "attempts", "error": 0.0}


def _devices(step: str, count: int | None, whole: int) -> dict[str, object]:
    share = None if count is None else _share(count, whole)
    return {"step": step, "count": count, "share": share, "of": "devices", "error": STANDARD_ERROR}
