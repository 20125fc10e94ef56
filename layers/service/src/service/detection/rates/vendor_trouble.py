"""Vendor trouble: Apple, Google or Huawei fail, for all apps at once. Them, not us.

Three things tell: what the stack itself asks of a vendor fails (its lists, its decoding, its receipts); devices report
that they could not reach their vendor; and refusals that only a vendor's change explains (another root, another form of
its evidence, a list with many more keys) rise in several apps. The last two are judged against what was usual in the
days before, by a negative binomial; reports are anyone's word, so they are told as such.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from service.detection.detector import Looked
from service.detection.finding import Finding, Remedy
from service.detection.rates.tails import log_upper_tail
from service.detection.rates.window import ALL_APPS, TallyWindow, VendorSeen
from service.tallies.rows import FACTS, TallyRow

CHANCE: Final = 1e-8
"""Of a count as high by chance, in one look at one kind of failure. There are nine, looked at 390,000 times a month."""
LEAST: Final = 20
"""Decisions or reports in a quarter of an hour from which something is told."""
TIMES: Final = 5.0
"""How many times what is usual it is at least."""
LEAST_SHARE: Final = 0.05
"""Which share of what devices of the platform attempted it is at least."""
FAILING: Final = 180.0
"""Seconds for which a vendor's service must fail before it is told: one failed call is none."""
LEARNING: Final = 86_400.0
"""Seconds from the first look in which nothing is told of shares."""

_SPAN: Final = 900
_FOLDED: Final = 480
_SETTLED: Final = 180
_HALF: Final = 3 * 86_400
_DISPERSION: Final = 0.3
_QUIET: Final = 900.0
_VERSION: Final = 1

_VENDORS: Final = {"ios": "apple", "macos": "apple", "android": "google", "harmony": "huawei"}
_CALLED: Final = {"apple": "Apple", "google": "Google", "huawei": "Huawei"}
_REPORTS: Final = frozenset({"vendor-unreachable", "vendor-error", "vendor-quota"})
_CHANGED: Final = frozenset(
    {
        *("encoding-invalid", "structure-invalid", "format-unknown", "nonce-extension"),
        *("chain-length", "chain-issuer-mismatch", "chain-signature", "chain-ca-flag", "chain-key-usage"),
        *("chain-path-length", "chain-not-yet-valid", "chain-expired", "chain-algorithm", "chain-critical-extension"),
        *("anchor-unknown", "certificate-revoked", "integrity-token-algorithm", "integrity-token-key"),
        *("integrity-token-signature", "integrity-token-signer", "integrity-token-time", "receipt-signer"),
        *("receipt-signature", "receipt-type"),
    }
)
_LISTS: Final = frozenset({"endorsements-missing", "endorsements-malformed", "endorsements-stale"})
_SERVICES: Final = {
    "google-status-list": ("google", "Google's list of revoked keys"),
    "play-decode": ("google", "Google's decoding of Play Integrity tokens"),
    "apple-fraud-metric": ("apple", "Apple's answers to receipts"),
    "apple": ("apple", "Apple's service"),
    "huawei": ("huawei", "Huawei's service"),
}
_PLATFORM: Final = {source: names.index("platform") for source, names in FACTS.items() if "platform" in names}


class Trouble(NamedTuple):
    """A kind of failure of a vendor: ``reports`` of devices, ``changed`` evidence, or a ``list`` that is not there."""

    vendor: str
    kind: str


@dataclass(slots=True)
class _Counts:
    """How often each trouble was counted, in which apps, for which reasons; and of what devices attempted."""

    times: Counter[Trouble] = field(default_factory=Counter)
    apps: dict[Trouble, Counter[str]] = field(default_factory=dict)
    reasons: dict[Trouble, Counter[str]] = field(default_factory=dict)
    attempts: Counter[str] = field(default_factory=Counter)
    active: dict[str, set[str]] = field(default_factory=dict)
    first: dict[Trouble, int] = field(default_factory=dict)
    last: dict[Trouble, int] = field(default_factory=dict)

    def add(self, trouble: Trouble, row: TallyRow, why: str, times: int) -> None:
        self.times[trouble] += times
        self.apps.setdefault(trouble, Counter())[row.app] += times
        self.reasons.setdefault(trouble, Counter())[why] += times
        self.first[trouble] = min(row.at, self.first.get(trouble, row.at))
        self.last[trouble] = max(row.at + row.step, self.last.get(trouble, 0))


@dataclass(slots=True)
class _Known:
    """The state: since when the stack is looked at, up to when minutes are counted, what is usual, and since when each
    of the vendors' services fails."""

    first: float = 0.0
    counted: int = 0
    usual: dict[str, float] = field(default_factory=dict)
    failing: dict[str, float] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        usual = {name: round(value, 3) for name, value in sorted(self.usual.items())}
        return json.dumps([_VERSION, self.first, self.counted, usual, self.failing], separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes | None) -> _Known:
        try:
            _, first, counted, usual, failing = json.loads(data or "")
            return cls(float(first), int(counted), dict(usual), dict(failing))
        except (ValueError, TypeError):
            return cls()


@dataclass(frozen=True, slots=True)
class VendorTrouble:
    """The detector; see the module. It looks at the window over all apps, and says nothing of one app's."""

    name: str = "vendor-trouble"
    version: int = 1

    def look(self, tallies: TallyWindow, state: bytes | None, now: float) -> Looked:
        """Count what is over, and judge the last quarter of an hour."""
        if tallies.app != ALL_APPS:
            return Looked(None, ())
        known = _Known.from_bytes(state)
        changed = _note_services(known, tallies.vendors, now)
        rows = [row for each in tallies.minutes.values() for row in each]
        settled = int(now - _SETTLED) // 60 * 60
        due = [row for row in rows if known.counted <= row.at < settled]
        if due and settled - max(known.counted, min(row.at for row in due)) >= _FOLDED:
            known.first = known.first or now
            _learn(known, _counts(due), settled)
            changed = True
        findings = [*_of_services(known, tallies.vendors, now), *_of_counts(known, rows, now)]
        return Looked(known.to_bytes() if changed else state, tuple(findings))


def _counts(rows: Iterable[TallyRow]) -> _Counts:
    counts = _Counts()
    for row in rows:
        if row.source not in ("enrol", "renew", "beacon"):
            continue
        for cell, times in row.cells.items():
            if row.source == "renew" and cell.outcome != "unavailable":
                continue
            vendor = _VENDORS.get(cell.facts[_PLATFORM[row.source]], "")
            if row.source == "enrol" or (row.source == "beacon" and cell.outcome == "reported"):
                counts.attempts[vendor] += times
                counts.active.setdefault(vendor, set()).add(row.app)
            trouble = _trouble(row.source, cell.outcome, cell.why, vendor)
            if trouble is not None:
                counts.add(trouble, row, cell.why, times)
    return counts


def _trouble(source: str, outcome: str, why: str, vendor: str) -> Trouble | None:
    if outcome == "unavailable" and why in _LISTS:
        return Trouble("google", "list")
    if not vendor:
        return None
    if outcome == "reported" and why in _REPORTS:
        return Trouble(vendor, "reports")
    if source == "enrol" and outcome == "refused" and why in _CHANGED:
        return Trouble(vendor, "changed")
    return None


def _learn(known: _Known, counts: _Counts, until: int) -> None:
    """Add what is over; half of what is known is from the last three days. A span that is far out teaches little."""
    fading = math.exp2(-max(0, until - known.counted) / _HALF) if known.counted else 1.0
    known.usual = {name: value * fading for name, value in known.usual.items()}
    warm = known.first and until - known.first > LEARNING
    for vendor, times in counts.attempts.items():
        known.usual[vendor] = known.usual.get(vendor, 0.0) + times
    for trouble, times in counts.times.items():
        most = 2 * _usual(known, trouble, counts.attempts[trouble.vendor]) + 1 if warm else math.inf
        name = ":".join(trouble)
        known.usual[name] = known.usual.get(name, 0.0) + min(float(times), most)
    known.counted = until


def _usual(known: _Known, trouble: Trouble, attempts: int) -> float:
    return (known.usual.get(":".join(trouble), 0.0) + 0.5) / max(1.0, known.usual.get(trouble.vendor, 0.0)) * attempts


def _note_services(known: _Known, vendors: Sequence[VendorSeen], now: float) -> bool:
    """Note since when services fail; whether that changed."""
    failing = {vendor.name for vendor in vendors if vendor.state == "failing"}
    since = {name: known.failing.get(name, float(int(now))) for name in sorted(failing)}
    changed = since != known.failing
    known.failing = since
    return changed


def _of_services(known: _Known, vendors: Sequence[VendorSeen], now: float) -> Iterator[Finding]:
    details = {vendor.name: vendor.detail for vendor in vendors}
    for name, since in known.failing.items():
        if now - since < FAILING:
            continue
        vendor, called = _SERVICES.get(name, (name, name))
        yield _finding(
            vendor,
            f"service:{name}",
            since=since,
            last=now,
            title=f"{called[0].upper()}{called[1:]}: it fails since {round((now - since) / 60)} minutes.",
            because=(details.get(name, "") or "The stack's own calls fail.",),
            counts={"minutes": round((now - since) / 60)},
            confidence=0.95,
            why=name,
        )


def _of_counts(known: _Known, rows: Sequence[TallyRow], now: float) -> Iterator[Finding]:
    shown = [row for row in rows if row.at >= now - _SPAN]
    if not _may_be(shown):
        return
    counts = _counts(shown)
    for trouble, times in sorted(counts.times.items()):
        if times < LEAST:
            continue
        if trouble.kind == "list":
            yield _list_finding(trouble, counts, times)
        elif known.first and now - known.first >= LEARNING:
            attempts = counts.attempts[trouble.vendor]
            usual = _usual(known, trouble, attempts)
            seen = known.usual.get(":".join(trouble), 0.0)
            if times < TIMES * usual or times < LEAST_SHARE * attempts:
                continue
            chance = log_upper_tail(times, usual, _DISPERSION + 1 / (seen + 0.5))
            if chance < math.log(CHANCE) and _across_apps(trouble, counts):
                yield _share_finding(trouble, counts, times, attempts, usual)


def _may_be(rows: Sequence[TallyRow]) -> bool:
    """Whether there is enough of anything, as reasons alone say: most minutes need no look at facts."""
    times: Counter[bool] = Counter()
    for row in rows:
        for (outcome, why), count in row.by_why().items():
            if why in _REPORTS or why in _CHANGED or (outcome == "unavailable" and why in _LISTS):
                times[why in _REPORTS] += count
    return max(times.values(), default=0) >= LEAST


def _across_apps(trouble: Trouble, counts: _Counts) -> bool:
    """Whether other apps have it as well, where there are others on the platform. Changed evidence in one app is as
    likely that app's own fault, so of a single app nothing is said."""
    apps = counts.apps[trouble]
    several = sum(1 for times in apps.values() if times >= LEAST / 4) >= 2
    return several or (trouble.kind == "reports" and len(counts.active.get(trouble.vendor, ())) < 2)


def _list_finding(trouble: Trouble, counts: _Counts, times: int) -> Finding:
    why = counts.reasons[trouble].most_common(1)[0][0]
    return _finding(
        trouble.vendor,
        f"list:{why}",
        since=counts.first[trouble],
        last=counts.last[trouble],
        title=f"Google's list of revoked keys cannot be used ({why}), and Android keys wait for it.",
        because=(f"{times:,} decisions of {len(counts.apps[trouble])} apps could not be made for it in 15 minutes.",),
        counts={"decisions": times, "apps": len(counts.apps[trouble])},
        confidence=0.95,
        why=why,
    )


def _share_finding(trouble: Trouble, counts: _Counts, times: int, attempts: int, usual: float) -> Finding:
    called, apps = _CALLED[trouble.vendor], len(counts.apps[trouble])
    why = counts.reasons[trouble].most_common(1)[0][0]
    reports = trouble.kind == "reports"
    title = (
        f"Devices of {apps} apps report that {called}'s service fails them."
        if reports
        else f"Evidence from {called}'s devices is refused in {apps} apps at once: {why}."
    )
    because = [f"{times:,} of {attempts:,} attempts in 15 minutes, where {usual:,.1f} are usual; most of all {why}."]
    if reports:
        because.append("Reports are anyone's word, and no verdict reads them.")
        if apps < 2:
            because.append("Only one app has devices of this vendor: it may be that app's own trouble.")
    else:
        because.append(
            "A change of the vendor's explains it (a new root or form, keys revoked), or a tool sold widely."
        )
    return _finding(
        trouble.vendor,
        trouble.kind,
        since=counts.first[trouble],
        last=counts.last[trouble],
        title=title,
        because=tuple(because),
        counts={"decisions": times, "of": attempts, "usual": round(usual), "apps": apps},
        confidence=0.6 if reports and apps < 2 else 0.8,
        why=why,
    )


def _finding(
    vendor: str,
    subject: str,
    *,
    since: float,
    last: float,
    title: str,
    because: tuple[str, ...],
    counts: dict[str, int],
    confidence: float,
    why: str,
) -> Finding:
    texts: dict[str, Any] = {"title": title, "because": because, "counts": counts, "confidence": confidence}
    return Finding(
        detector="vendor-trouble",
        subject=f"{vendor}:{subject}",
        app="",
        since=since,
        last=max(since, last),
        named={"vendor": vendor, "why": why},
        scope="population",
        remedy=_remedy(vendor, subject),
        quiet_after=_QUIET,
        **texts,
    )


def _remedy(vendor: str, subject: str) -> Remedy:
    page = {"google": "docs/runbooks/play-integrity.md and docs/runbooks/endorsements-stale.md"}.get(vendor, "")
    text = "Nothing of yours fails. Wait, look at the vendor's status page, and change no rule for it."
    if subject == "changed":
        return Remedy(
            kind="look",
            text="See the reason's detail with `bonafide why` for one support code, and compare with the vendor's "
            "announcements: a new root or a new form of evidence needs a release of Bonafide.",
        )
    return Remedy(kind="wait", text=f"{text} What waits for it and what does not: {page}." if page else text)
