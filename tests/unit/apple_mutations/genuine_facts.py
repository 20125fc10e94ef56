"""Facts of a genuine iPhone."""

from __future__ import annotations

from attestation.evidence import AppleAttestation

from .scene import Question, Scene

GENUINE = Question(evidence=AppleAttestation(Scene.default().attestation.seal(), None)).ask()
