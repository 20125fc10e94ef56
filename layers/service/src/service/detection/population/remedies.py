"""What an operator can do about a finding: a rule that only lowers trust, and a replay that shows whom it would hit."""

from __future__ import annotations

from attestation.appraisal.incident_rule import incident_rule

from service.detection.finding import Remedy


def drafted_rule(detector: str, app: str, text: str, *, warns: bool = False) -> Remedy:
    """A remedy with the rule about the keys that incidents of ``detector`` name; with ``warns`` it can only warn."""
    return Remedy(kind="rule", text=text, rule=incident_rule(detector, warns=warns), command=replay_command(app))


def replay_command(app: str) -> str:
    """Judges the week's decisions of ``app`` again, under a folder DRAFT: the policy with the rule in it."""
    return f"bonafide policy replay DRAFT --since 7d --app {app}"
