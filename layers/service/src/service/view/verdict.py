"""Is it them or us: the first question at 3 a.m., answered from what the view shows, with reasons in sentences.

The order is that of certainty: what of ours fails is known; a vendor's failure nearly so; that refusals rose is
counted, and whose doing it is follows from whether something of ours changed that can cause just these refusals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from service.tables.audit import AuditEntry
from service.view.causes import surprise
from service.view.series import Sums
from service.view.timeline import kind_of, title_of
from service.view.vendor_health import State, Vendor

DECIDING: Final = ("enrol", "renew", "signal", "authorize")
_CALLED: Final = {"enrol": "enrolments", "renew": "renewals", "signal": "reported signals", "authorize": "requests"}

LATE_BUNDLE: Final = 60
"""Seconds after which a gate that has not heard of a publication, or could not ask, is late: it asks each few seconds,
and before it decides by what is older than 30."""

_FEW: Final = 5
_UNAVAILABLE_SHARE: Final = 0.02
_RISE: Final = 5.0
"""Standard deviations from which a rise is none of chance."""

_SHOWN: Final = 3


@dataclass(frozen=True, slots=True)
class Published:
    """The newest trust bundle: its version, and when it was made (Unix seconds)."""

    version: int
    at: int


class Verdict(NamedTuple):
    """``them``, ``us``, ``vendor``, ``quiet`` or ``unclear``, and why."""

    verdict: str
    because: list[str]


class _Rise(NamedTuple):
    source: str
    why: str
    sentence: str


def judge(
    now: Sums, before: Sums, *, vendors: Sequence[Vendor], changes: Iterable[AuditEntry], published: Published | None
) -> Verdict:
    """The verdict on a window, told against the same time before. ``changes`` are the operators', newest first."""
    ours = [*_unavailable(now), *_late_gate(now, published)]
    failing = [vendor for vendor in vendors if vendor.state is State.FAILING]
    told = [f"{vendor.name}: {vendor.detail}" for vendor in failing]
    rises = list(_rises(now, before))
    if ours:
        return Verdict("vendor" if failing else "us", [*ours, *told, *_sentences(rises)])
    if failing:
        return Verdict("vendor", [*told, *_sentences(rises)])
    if rises:
        return _of_rises(rises, list(changes))
    return _nothing_rose(now, before)


def _of_rises(rises: list[_Rise], changes: list[AuditEntry]) -> Verdict:
    can = [change for change in changes if any(_causes(change, rise) for rise in rises)]
    if can:
        return Verdict("us", [*_sentences(rises), *map(_told, can[:_SHOWN])])
    if changes:
        unlikely = "None of these changes is known to cause such refusals."
        return Verdict("unclear", [*_sentences(rises), *map(_told, changes[:_SHOWN]), unlikely])
    return Verdict("them", [*_sentences(rises), "No operator changed anything of this app shortly before."])


def _sentences(rises: Sequence[_Rise]) -> list[str]:
    return [rise.sentence for rise in rises]


def _nothing_rose(now: Sums, before: Sums) -> Verdict:
    made, earlier = _decided(now), round(_decided(before) * _known_part(now, before))
    if earlier >= 50 and made < earlier * 0.3:
        fell = f"Only {made:,} decisions were asked for; it were {earlier:,} in the same time before."
        return Verdict("unclear", [fell, "Whether requests do not come, or do not arrive, cannot be told from here."])
    if not made:
        return Verdict("quiet", ["Nothing was decided in this time."])
    refused = sum(counts.get("refused", 0) for counts in map(now.totals.get, DECIDING) if counts)
    return Verdict("quiet", [f"Nothing stands out: {_percent(refused, made)} of {made:,} decisions were refusals."])


def _known_part(now: Sums, before: Sums) -> float:
    """How long the window is, as far as its counts must have come, in lengths of the time before: a window that goes on
    ends after this moment, and the time before is in whole minutes."""
    return max(0, now.window.hop - now.window.since) / (before.window.until - before.window.since)


def _decided(sums: Sums) -> int:
    return sum(sum(sums.totals.get(source, {}).values()) for source in DECIDING)


def _unavailable(now: Sums) -> Iterable[str]:
    made = _decided(now)
    missed = sum(now.totals.get(source, {}).get("unavailable", 0) for source in DECIDING)
    if missed >= _FEW and missed >= made * _UNAVAILABLE_SHARE:
        share = _percent(missed, made)
        yield f"{missed:,} of {made:,} decisions ({share}) could not be made: something did not answer."


def _late_gate(now: Sums, published: Published | None) -> Iterable[str]:
    gate = now.gate
    if gate is None:
        return
    if gate.age > LATE_BUNDLE:
        yield f"The gate went by a trust bundle that it could not renew for {gate.age:.0f} s."
    if published is None:
        return
    # By when a bucket began: in one that the publication falls into, the bundle before was right for a part of it.
    late = [
        (at, version)
        for at, version in gate.lowest_since
        if version < published.version and at - published.at > LATE_BUNDLE
    ]
    if late:
        at, version = max(late)
        yield (
            f"The gate still went by trust bundle {version} at {_clock(at)}; {published.version} was published at "
            f"{_clock(published.at)}."
        )


def _rises(now: Sums, before: Sums) -> Iterable[_Rise]:
    for source in DECIDING:
        refused, made = now.totals.get(source, {}).get("refused", 0), sum(now.totals.get(source, {}).values())
        share, earlier = now.refused_share(source) or 0.0, before.refused_share(source) or 0.0
        expected = round(earlier * made)
        if refused < _FEW or share < 1.5 * earlier + 0.01 or surprise(refused, expected) < _RISE:
            continue
        made_before = sum(before.totals.get(source, {}).values())
        scale = made / made_before if made_before else 0.0  # the two times need not be as long, nor as busy
        grown = {
            why: count - before.reasons.get((source, why), 0) * scale
            for (of, why), count in now.reasons.items()
            if of == source
        }
        why = max(grown, key=lambda one: (grown[one], one), default="")
        most = f", most of all {why} ({now.reasons[source, why]:,} of {refused:,})" if why else ""
        rose = f"Refused {_CALLED[source]} rose from {_of_share(earlier)} to {_of_share(share)}"
        if not made_before:
            rose = f"{_of_share(share)} of the {_CALLED[source]} were refused, and none came in the time before"
        yield _Rise(source, why, f"{rose}{most}.")


_CAUSES: Final[Mapping[str, Callable[[_Rise], bool]]] = {
    "policy": lambda rise: rise.why.startswith("rule:") or rise.why == "appraisal-contraindicated",
    "rollout": lambda rise: rise.why.startswith("rule:") or rise.why == "appraisal-contraindicated",
    "not-before": lambda rise: rise.source == "authorize",
    "block": lambda rise: "blocked" in rise.why,
    "build": lambda rise: "build" in rise.why,
    "route": lambda rise: rise.source == "authorize",
    "registration": lambda rise: rise.source in ("enrol", "renew") and not rise.why.startswith("rule:"),
}
"""By kind of a change, which refusals it can cause."""


_WITHOUT_EFFECT: Final = frozenset({"propose-policy", "reject-policy"})


def _causes(change: AuditEntry, rise: _Rise) -> bool:
    causes = _CAUSES.get(kind_of(change))
    return causes is not None and change.action not in _WITHOUT_EFFECT and causes(rise)


def _told(change: AuditEntry) -> str:
    return f"{title_of(change)[:-1]} at {_clock(change.at)} ({change.who.rpartition('/')[2]})."


def _clock(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%H:%M:%S} UTC"


def _percent(part: int, whole: int) -> str:
    return _of_share(part / whole if whole else 0.0)


def _of_share(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")
