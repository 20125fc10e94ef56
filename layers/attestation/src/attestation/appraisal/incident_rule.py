"""The rule that a detector's incident suggests, as Cedar: what an operator would otherwise write at night."""

from __future__ import annotations

from attestation.appraisal.facts import INCIDENT_WARNINGS, INCIDENTS, NAMING_DETECTORS


def incident_rule(detector: str, *, warns: bool) -> str:
    """A rule about keys that an open incident of ``detector`` names.

    It refuses them; with ``warns`` it lowers them to a warning, by what they share with others (a batch, a network),
    which can do no more. Raises :class:`ValueError` for a detector whose incidents name no key.
    """
    if detector not in NAMING_DETECTORS:
        raise ValueError(f"incidents of {detector!r} name no key")
    action, fact = ('action == Action::"affirm"', INCIDENT_WARNINGS) if warns else ("action", INCIDENTS)
    return (
        f'@id("incident-{detector}")\n'
        f"forbid (principal, {action}, resource)\n"
        f'when {{ context.{fact}.contains("{detector}") }};\n'
    )
