"""Appraise: claims and signals in, attestation result out. Returns, never raises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from attestation.appraisal.builds import BuildComparison, BuildMatch, UnknownBuilds
from attestation.appraisal.policy import AppraisalContext, AppraisalPolicy
from attestation.appraisal.result import AttestationResult, Finding, Tier
from attestation.claims import AndroidClaims, Claims, KeyStorage
from attestation.client_data import ClientData

HOSTILE_SIGNALS: Final = frozenset(
    {"debugger", "hooking", "memory-dump", "jailbreak", "root", "emulator", "repackaged", "app-clone", "automation"}
)
"""Signals by which the app's process is not its own."""

_SEVERITY: Final = {Tier.AFFIRMING: 0, Tier.WARNING: 1, Tier.CONTRAINDICATED: 2}

# AR4SI (draft-ietf-rats-ar4si §2.3.4): instance-identity 2 = recognised and not compromised; hardware 2 = genuine,
# 32 = genuine class with known weakness, 97 = not genuine; executables 3 = only known genuine approved executables,
# 33 = runtime executables not recognised, 99 = what booted is not recognised; configuration 2 = approved, 36 = needs
# attention; storage-opaque 2 = keys encrypted by hardware; runtime-opaque 96 = memory visible to an attacker.
_HARDWARE: Final[Mapping[KeyStorage, int]] = {
    KeyStorage.SECURE_ENCLAVE: 2,
    KeyStorage.STRONGBOX: 2,
    KeyStorage.TEE: 2,
    KeyStorage.SOFTWARE: 97,
    KeyStorage.UNPROVED: 97,
}


def appraise(
    claims: Claims,
    *,
    client_data: ClientData | None,
    policy: AppraisalPolicy,
    now: float | None = None,
    build: BuildComparison | None = None,
    app: str = "",
    event: str = "renew",
    country: str | None = None,
) -> AttestationResult:
    """Judge verified ``claims`` and the app's own ``client_data`` under ``policy`` at ``now`` (Unix seconds).

    The tier is the worst of the enforced findings; no finding means ``affirming``. ``client_data`` may be ``None``
    where only evidence exists (conformance runs); without ``now`` nothing is judged by its age. ``build`` compares the
    app at hand with the builds that its owner registered; ``app``, ``event`` and ``country`` are of the request.
    """
    return appraise_context(
        AppraisalContext(
            claims=claims, client_data=client_data, now=now, build=build, app=app, event=event, country=country
        ),
        policy,
    )


def appraise_context(context: AppraisalContext, policy: AppraisalPolicy) -> AttestationResult:
    """The same for a context at hand."""
    findings = policy.findings(context)
    return AttestationResult(
        tier=worst_tier(findings),
        findings=findings,
        trustworthiness=trustworthiness_vector(context, findings),
        policy_version=policy.version,
    )


def worst_tier(findings: Iterable[Finding]) -> Tier:
    """The worst tier among the enforced findings; ``affirming`` when there is none."""
    return max((f.tier for f in findings if f.enforced), key=_SEVERITY.__getitem__, default=Tier.AFFIRMING)


def trustworthiness_vector(context: AppraisalContext, findings: Iterable[Finding]) -> dict[str, int]:
    """The AR4SI vector: a table over claims, signals and build, lowered as far as the policy minds.

    Rules may be called anything, so no id is looked at: where the enforced findings lower the tier, the facts say which
    part of the device the lowering is about. A policy that affirms an unlocked device vouches for it.
    """
    worst = worst_tier(findings)
    storage = context.claims.key_storage
    return {
        "instance-identity": 2,
        "configuration": {Tier.AFFIRMING: 2, Tier.WARNING: 36}.get(worst, 96),
        "executables": 3 if worst is Tier.AFFIRMING else _executables(context, worst),
        "hardware": _HARDWARE[storage],
        "storage-opaque": 96 if storage in (KeyStorage.SOFTWARE, KeyStorage.UNPROVED) else 2,
    }


def _executables(context: AppraisalContext, worst: Tier) -> int:
    build = context.build
    match = None if build is None else build.match
    if context.claims.android is not None and not _booted_known_system(context.claims.android):
        return 99
    signals = () if context.client_data is None else context.client_data.signals
    if match is BuildMatch.DIFFERS or any(signal.name in HOSTILE_SIGNALS for signal in signals):
        return 96 if worst is Tier.CONTRAINDICATED else 33
    unrecognised = match in (BuildMatch.UNKNOWN, BuildMatch.UNMEASURED)
    return 33 if unrecognised and build is not None and build.unknown is not UnknownBuilds.ALLOW else 3


def _booted_known_system(android: AndroidClaims) -> bool:
    listed = android.verified_boot_state == "self-signed" and android.boot_key_listed
    return android.device_locked and (android.verified_boot_state == "verified" or listed)
