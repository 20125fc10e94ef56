"""Appraise: claims and signals in, attestation result out. Returns, never raises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from .android.strict_rules import UNTRUSTED_BOOT
from .appraisal_policy import AppraisalContext, AppraisalPolicy
from .attestation_result import AttestationResult, Finding, Tier
from .build_rules import ALTERED_BUILD, UNRECOGNISED_BUILD
from .claims import Claims, KeyStorage
from .client_data import ClientData
from .known_builds import BuildComparison

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
}


def appraise(
    claims: Claims,
    *,
    client_data: ClientData | None,
    policy: AppraisalPolicy,
    now: float | None = None,
    build: BuildComparison | None = None,
) -> AttestationResult:
    """Judge verified ``claims`` and the app's own ``client_data`` under ``policy`` at ``now`` (Unix seconds).

    The tier is the worst of the enforced findings; no finding means ``affirming``. ``client_data`` may be ``None``
    where only evidence exists (conformance runs); without ``now`` nothing is judged by its age. ``build`` compares the
    app at hand with the builds that its owner registered.
    """
    findings = policy.findings(AppraisalContext(claims=claims, client_data=client_data, now=now, build=build))
    return AttestationResult(
        tier=worst_tier(findings),
        findings=findings,
        trustworthiness=trustworthiness_vector(claims, findings),
        policy_version=policy.version,
    )


def worst_tier(findings: Iterable[Finding]) -> Tier:
    """The worst tier among the enforced findings; ``affirming`` when there is none."""
    return max((f.tier for f in findings if f.enforced), key=_SEVERITY.__getitem__, default=Tier.AFFIRMING)


def trustworthiness_vector(claims: Claims, findings: tuple[Finding, ...]) -> dict[str, int]:
    """The AR4SI vector: a fixed table over claims, lowered where an enforced finding contradicts it."""
    worst = worst_tier(findings)
    hostile_runtime = any(
        f.enforced and f.tier is Tier.CONTRAINDICATED and f.rule.startswith("signal-") for f in findings
    )
    executables = 3
    if any(f.enforced and f.rule in UNTRUSTED_BOOT for f in findings):
        executables = 99
    elif hostile_runtime or any(f.enforced and f.rule in ALTERED_BUILD for f in findings):
        executables = 96
    elif any(f.enforced and f.rule in UNRECOGNISED_BUILD for f in findings):
        executables = 33
    return {
        "instance-identity": 2,
        "configuration": {Tier.AFFIRMING: 2, Tier.WARNING: 36}.get(worst, 96),
        "executables": executables,
        "hardware": _HARDWARE[claims.key_storage],
        "storage-opaque": 96 if claims.key_storage is KeyStorage.SOFTWARE else 2,
    }
