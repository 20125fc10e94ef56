"""What an operator can do about a finding: a rule that only lowers trust, and a replay that shows whom it would hit."""

from __future__ import annotations

from service.detection.finding import Remedy, RemedyKind, Scope


def drafted(detector: str, scope: Scope, app: str, text: str, kind: RemedyKind = "rule") -> Remedy:
    """A remedy with the rule for the incidents of ``detector``: one about keys refuses, any other can only warn."""
    fact, action = ("incidents", "action") if scope == "key" else ("incident_warnings", 'action == Action::"affirm"')
    rule = (
        f'@id("incident-{detector}")\n'
        f"forbid (principal, {action}, resource)\n"
        f'when {{ context.{fact}.contains("{detector}") }};\n'
    )
    return Remedy(kind=kind, text=text, rule=rule, command=replay_command(app))


def replay_command(app: str) -> str:
    """The command that judges the week's decisions of ``app`` again, under a copy of the policy with the rule."""
    return f"bonafide policy replay DRAFT --since 7d --app {app}"
