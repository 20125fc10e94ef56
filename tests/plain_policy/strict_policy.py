"""The default policy in plain code, as it was before Cedar: the oracle that default.cedar is held against.

It is written in another way than the rules in Cedar, so that one mistake does not hide in both. Nothing that ships
uses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from attestation.appraisal.policy import AppraisalContext
from attestation.appraisal.result import Finding, Tier
from attestation.claims import KeyStorage
from attestation.reference_values import Environment

from .android_rules import android_findings
from .apple_rules import apple_findings
from .build_rules import build_findings
from .harmony_rules import harmony_findings

HOSTILE_SIGNALS: Final = frozenset(
    {"debugger", "hooking", "memory-dump", "jailbreak", "root", "emulator", "repackaged", "app-clone", "automation"}
)
"""Signals that the default policy takes as proof that the app's process is not its own."""


@dataclass(frozen=True, slots=True)
class StrictPolicy:
    """The default: hardware keys only, devices booted into genuine systems, and no hostile signal.

    Version 0 marks "no policy published yet". ``android_patch_months`` is the age in months from which an Android patch
    level counts as old; ``play_hours`` that of a Play Integrity verdict, ``harmony_integrity_hours`` that of a
    HarmonyOS device's integrity verdict: renewals keep the last one, and a device that stops sending them must not live
    off it.
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
