"""Notes: what a refused renewal, or a report between renewals, proved or said against its key, for later renewals.

Without them a device that learned of a bad verdict would leave it out the next time, and be sound again. A note never
says more than the request did: the verdict that was verified with the key, and the signals that the app raised. A
newer verdict of the same kind takes the older one's place, whatever it says. Signals fade, because an app may be
clean after a restart, and nothing but the app itself could say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from attestation.appraisal.facts import SIGNALS
from attestation.appraisal.result import AttestationResult, Tier
from attestation.claims import Claims, HarmonyIntegrityClaims, PlayClaims
from attestation.client_data import ClientData, Signal
from attestation.seal import Seal

MAX_OTHERS: Final = 20
"""Most noted signals whose names no schema knows. Those that are noted stay, and further ones are dropped: junk, said
afterwards, must not push out what a device once said in earnest. Those known by name always have room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalHistory:
    """Notes on one key. Times are Unix seconds.

    ``at`` and ``findings`` are of the latest refusal or report, for the operator. ``claims`` hold the latest verdict
    that came with a refused renewal, ``None`` when none did; ``signals`` say when each was last raised, ``details``
    what was seen then, of those that policies know by name. ``revision`` counts.
    """

    at: int
    revision: int = 1
    findings: tuple[str, ...] = ()
    claims: Claims | None = None
    signals: Mapping[str, int] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)

    def recalled(self, claims: Claims) -> Claims:
        """The stored ``claims``, with the noted verdict in place of one that is not newer by its vendor's clock."""
        return claims if self.claims is None else _with_verdict(claims, _later(_verdict(claims), _verdict(self.claims)))

    def reminded(self, client_data: ClientData, *, now: float, memory: float) -> ClientData:
        """``client_data`` as if the app still raised the signals that it raised less than ``memory`` seconds ago."""
        said = {signal.name for signal in client_data.signals}
        silent = (name for name, at in self.signals.items() if name not in said and now < at + memory)
        recalled = (Signal(name, self.details.get(name)) for name in silent)
        return replace(client_data, signals=client_data.signals + tuple(recalled))

    def to_record(self) -> dict[str, object]:
        """JSON-ready, for storage."""
        return {
            "at": self.at,
            "revision": self.revision,
            "findings": list(self.findings),
            "signals": dict(self.signals),
            **({"details": dict(self.details)} if self.details else {}),
            **({} if self.claims is None else {"claims": self.claims.to_record()}),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> SignalHistory:
        """The notes that :meth:`to_record` wrote. For our own store; not a parser of foreign input."""
        return cls(
            at=record["at"],
            revision=record["revision"],
            findings=tuple(record["findings"]),
            claims=Claims.of_stored_key(record["claims"]) if "claims" in record else None,
            signals=dict(record["signals"]),
            details=dict(record.get("details", {})),
        )


def note_refusal(
    earlier: SignalHistory | None,
    *,
    stored: Claims,
    claims: Claims,
    raised: Iterable[Signal],
    result: AttestationResult,
    now: float,
    memory: float,
) -> SignalHistory | None:
    """The notes after a renewal that appraisal refused with ``result``, or ``None`` when there is nothing new to note.

    ``stored`` are the claims that the key had before, ``claims`` with what this renewal proved; ``raised`` the app's
    own signals that it was refused for, without what it was reminded of: a note must not prolong itself. Signals are
    kept for ``memory`` seconds.
    """
    raised = tuple(raised) if memory > 0 else ()
    told = _verdict(claims) != _verdict(stored)
    if not raised and not told:
        return None
    noted = _with_signals(earlier or SignalHistory(at=int(now), revision=0), raised, now=now, memory=memory)
    latest = noted.claims
    if told:
        latest = claims if latest is None else noted.recalled(claims)
    rules = tuple(f.rule for f in result.findings if f.enforced and f.tier is Tier.CONTRAINDICATED)
    return replace(noted, at=int(now), revision=noted.revision + 1, findings=rules, claims=latest)


def note_report(
    earlier: SignalHistory | None, *, raised: Iterable[Signal], result: AttestationResult, now: float, memory: float
) -> SignalHistory | None:
    """The notes after a report of signals that lower the verdict, or ``None`` when they say it already: one note a
    second is enough for a client that repeats itself."""
    raised = tuple(raised) if memory > 0 else ()
    before = earlier or SignalHistory(at=int(now), revision=0)
    noted = _with_signals(before, raised, now=now, memory=memory)
    if not raised or (noted.signals, noted.details) == (before.signals, before.details):
        return None
    rules = tuple(f.rule for f in result.findings if f.enforced)
    return replace(noted, at=int(now), revision=before.revision + 1, findings=rules)


def _with_signals(noted: SignalHistory, raised: tuple[Signal, ...], *, now: float, memory: float) -> SignalHistory:
    signals = {name: at for name, at in noted.signals.items() if now < at + memory}
    signals.update((signal.name, int(now)) for signal in raised)
    others = [name for name in signals if name not in _KNOWN][:MAX_OTHERS]
    signals = {name: at for name, at in signals.items() if name in _KNOWN or name in others}
    details = {**noted.details, **{signal.name: signal.detail or "" for signal in raised}}
    # Of others, policies see the names alone.
    kept = {name: seen for name, seen in details.items() if seen and name in signals and name in _KNOWN}
    return replace(noted, signals=signals, details=kept)


_KNOWN: Final = frozenset(SIGNALS)
_Verdict = PlayClaims | HarmonyIntegrityClaims


def _verdict(claims: Claims) -> _Verdict | None:
    if claims.android is not None:
        return claims.android.play
    return None if claims.harmony is None else claims.harmony.integrity


def _moment(verdict: _Verdict) -> float:
    return verdict.requested_at if isinstance(verdict, PlayClaims) else verdict.checked_at


def _later(stored: _Verdict | None, noted: _Verdict | None) -> _Verdict | None:
    if stored is None or noted is None:
        return noted if stored is None else stored
    return stored if _moment(stored) > _moment(noted) else noted


def _with_verdict(claims: Claims, verdict: _Verdict | None) -> Claims:
    if claims.android is not None and isinstance(verdict, PlayClaims):
        return replace(claims, seal=Seal.VERIFIED, android=replace(claims.android, play=verdict))
    if claims.harmony is not None and isinstance(verdict, HarmonyIntegrityClaims):
        return replace(claims, seal=Seal.VERIFIED, harmony=replace(claims.harmony, integrity=verdict))
    return claims
