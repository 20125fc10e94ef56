"""Appraisal policy: how claims and signals are judged. The interface, and the strict default in plain code.

Another engine (Cedar) takes the place of :class:`StrictPolicy` by implementing :class:`AppraisalPolicy`; nothing
else knows which one decides. A policy returns findings, never raises: a check with one right answer belongs to
verification.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from .android.strict_rules import android_findings
from .apple.strict_rules import apple_findings
from .attestation_result import Finding, Tier
from .build_rules import build_findings
from .claims import Claims, KeyStorage
from .client_data import ClientData
from .harmony.strict_rules import harmony_findings
from .known_builds import BuildComparison
from .reference_values import Environment


@dataclass(frozen=True, slots=True, kw_only=True)
class AppraisalContext:
    """Everything a policy may look at: what hardware proved, what the app says, and what time it is.

    ``now`` is Unix seconds; without it rules about age do not object. ``build`` is how the app at hand compares with
    the builds that its owner registered, ``None`` where none are. ``app`` is the registered app, ``event`` what is
    being decided (``enrol``, ``renew``, ``signal``), ``country`` where the request came from, if anybody says so.
    """

    claims: Claims
    client_data: ClientData | None
    now: float | None = None
    build: BuildComparison | None = None
    app: str = ""
    event: str = "renew"
    country: str | None = None


class AppraisalPolicy(Protocol):
    """Judges one context. ``version`` identifies the policy in tokens and decision records."""

    @property
    def version(self) -> int: ...

    def findings(self, context: AppraisalContext) -> tuple[Finding, ...]:
        """The rules that object, in a stable order; none means ``affirming``."""
        ...


HOSTILE_SIGNALS: Final = frozenset(
    {"debugger", "hooking", "memory-dump", "jailbreak", "root", "emulator", "repackaged", "app-clone", "automation"}
)
"""Signals that the default policy takes as proof that the app's process is not its own."""


@dataclass(frozen=True, slots=True)
class StrictPolicy:
    """The default: hardware keys only, devices booted into genuine systems, and no hostile signal.

    Version 0 marks "no policy published yet". ``android_patch_months`` is the age in months from which an Android patch
    level counts as old; ``play_hours`` that of a Play Integrity verdict, ``harmony_integrity_hours`` that of a
    HarmonyOS device's integrity verdict: renewals keep the last one, and whoever stops sending them must not live off
    it.
    """

    version: int = 0
    android_patch_months: int = 24
    play_hours: int = 24
    harmony_integrity_hours: int = 24

    def findings(self, context: AppraisalContext) -> tuple[Finding, ...]:
        """Findings of the default rules. Unknown signals lower the tier to ``warning``: they never help."""
        claims, found = context.claims, []
        if claims.key_storage is KeyStorage.SOFTWARE:
            found.append(Finding("software-key", Tier.CONTRAINDICATED))
        if claims.environment is Environment.DEVELOPMENT:
            found.append(Finding("development-environment", Tier.WARNING))
        found.extend(apple_findings(claims))
        found.extend(
            android_findings(
                claims, now=context.now, patch_months=self.android_patch_months, play_hours=self.play_hours
            )
        )
        found.extend(harmony_findings(claims, now=context.now, integrity_hours=self.harmony_integrity_hours))
        found.extend(build_findings(context.build))
        for signal in context.client_data.signals if context.client_data else ():
            tier = Tier.CONTRAINDICATED if signal.name in HOSTILE_SIGNALS else Tier.WARNING
            found.append(Finding(f"signal-{signal.name}" if tier is Tier.CONTRAINDICATED else "signal-other", tier))
        return tuple(found)
