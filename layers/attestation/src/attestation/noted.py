"""Notes: what a refused renewal proved or said against its key, for later renewals to be judged by.

Without them a device that learned of a bad verdict would leave it out the next time, and be sound again. A note never
says more than the refused request did: the verdict that was verified beside the key, and the signals that the app
raised. A newer verdict of the same kind takes the older one's place, whatever it says. Signals fade, because an app may
be clean after a restart, and nothing but the app itself could say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from .attestation_result import AttestationResult, Tier
from .claims import Claims, HarmonyIntegrityClaims, PlayClaims
from .client_data import MAX_SIGNALS, ClientData, Signal

SIGNAL_RULE: Final = "signal-"
"""Findings about a signal are called this and the signal's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """Notes on one key. Times are Unix seconds.

    ``at`` and ``findings`` are of the latest refusal, for the operator. ``claims`` hold the latest verdict that came
    with a refused renewal, ``None`` when none did; ``signals`` say when each was last raised. ``revision`` counts.
    """

    at: int
    revision: int = 1
    findings: tuple[str, ...] = ()
    claims: Claims | None = None
    signals: Mapping[str, int] = field(default_factory=dict)

    def recalled(self, claims: Claims) -> Claims:
        """The stored ``claims``, with the noted verdict in the place of one that is not newer by its vendor's clock."""
        return claims if self.claims is None else _with_verdict(claims, _later(_verdict(claims), _verdict(self.claims)))

    def reminded(self, client_data: ClientData, *, now: float, memory: float) -> ClientData:
        """``client_data`` as if the app still raised the signals that it raised less than ``memory`` seconds ago."""
        said = {signal.name for signal in client_data.signals}
        silent = (name for name, at in self.signals.items() if name not in said and now < at + memory)
        return replace(client_data, signals=client_data.signals + tuple(map(Signal, silent)))

    def to_record(self) -> dict[str, object]:
        """JSON-ready, for storage."""
        return {
            "at": self.at,
            "revision": self.revision,
            "findings": list(self.findings),
            "signals": dict(self.signals),
            **({} if self.claims is None else {"claims": self.claims.to_record()}),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Noted:
        """The notes that :meth:`to_record` wrote. For our own store; not a parser of foreign input."""
        return cls(
            at=record["at"],
            revision=record["revision"],
            findings=tuple(record["findings"]),
            claims=Claims.from_record(record["claims"]) if "claims" in record else None,
            signals=dict(record["signals"]),
        )


def note_refusal(
    earlier: Noted | None,
    *,
    stored: Claims,
    claims: Claims,
    client_data: ClientData,
    result: AttestationResult,
    now: float,
    memory: float,
) -> Noted | None:
    """The notes after a renewal that appraisal refused with ``result``, or ``None`` when there is nothing new to note.

    ``stored`` are the claims that the key had before, ``claims`` with what this renewal proved; ``client_data`` is the
    app's own, without what it was reminded of: a note must not prolong itself. Signals are kept for ``memory`` seconds.
    """
    rules = tuple(f.rule for f in result.findings if f.enforced and f.tier is Tier.CONTRAINDICATED)
    raised = {s.name: int(now) for s in client_data.signals if SIGNAL_RULE + s.name in rules} if memory > 0 else {}
    told = _verdict(claims) != _verdict(stored)
    if not raised and not told:
        return None
    noted = earlier or Noted(at=int(now), revision=0)
    kept = {name: at for name, at in noted.signals.items() if now < at + memory}
    signals = sorted({**kept, **raised}.items(), key=lambda item: item[1])[-MAX_SIGNALS:]
    latest = noted.claims
    if told:
        latest = claims if latest is None else noted.recalled(claims)
    return Noted(at=int(now), revision=noted.revision + 1, findings=rules, claims=latest, signals=dict(signals))


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
        return replace(claims, android=replace(claims.android, play=verdict))
    if claims.harmony is not None and isinstance(verdict, HarmonyIntegrityClaims):
        return replace(claims, harmony=replace(claims.harmony, integrity=verdict))
    return claims
