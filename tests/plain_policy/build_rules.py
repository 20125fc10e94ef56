"""The default policy's rules for builds, in plain code: the oracle that default.cedar is held against."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from attestation.appraisal.builds import BuildComparison, BuildMatch, UnknownBuilds
from attestation.appraisal.result import Finding, Tier

_MODIFIED: Final = "build-modified"
_UNRECOGNISED: Final = {BuildMatch.UNKNOWN: "build-unknown", BuildMatch.UNMEASURED: "build-unmeasured"}


def build_findings(build: BuildComparison | None) -> Iterator[Finding]:
    """What objects to the build at hand. An allowed unknown build is recorded all the same, and not enforced."""
    if build is None:
        return
    if build.match is BuildMatch.DIFFERS:
        # A repackager who keeps the number and changes the code, or a tool that patches it on the device.
        yield Finding(_MODIFIED, Tier.CONTRAINDICATED, advice="reinstall-app")
    elif build.match is BuildMatch.DOWNGRADED:
        # A genuine old version, kept for a weakness that newer ones no longer have.
        yield Finding("build-downgraded", Tier.CONTRAINDICATED, advice="update-app")
    elif rule := _UNRECOGNISED.get(build.match):
        refused = build.unknown is UnknownBuilds.REFUSE
        yield Finding(
            rule,
            Tier.CONTRAINDICATED if refused else Tier.WARNING,
            advice="update-app" if refused else None,
            enforced=build.unknown is not UnknownBuilds.ALLOW,
        )
