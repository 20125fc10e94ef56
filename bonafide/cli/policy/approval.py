"""``bonafide policy approve`` and ``reject``: the second person's decision on a proposal."""

from __future__ import annotations

from typing import Annotated

import typer

from bonafide.cli.outcome import AppOption, Change, Reason, Yes, confirm
from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, Region, StackName, moment, out
from bonafide.operator.deployment import find_deployment
from bonafide.operator.errors import OperatorError
from bonafide.policies.publishing import AppPolicies, Documents, difference

ProposalOption = Annotated[
    int | None, typer.Option("--proposal", metavar="N", min=1, help="The proposal; default: the one that waits.")
]


def approve(
    app: AppOption,
    proposal: ProposalOption = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="A remark for the audit.")] = "",
    yes: Yes = False,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Activate a proposal, exactly as it was proposed. Its author cannot approve it."""
    policies = AppPolicies(find_deployment(stack, region, project_layout()), app)
    number = _waiting(policies, proposal)
    proposed = policies.proposal(number)
    if not as_json:
        stable = policies.documents(policies.status()["stable"])
        what = f"version {proposed['promotes']}" if proposed.get("promotes") else "a new version"
        out().print(
            f'Proposal {number} by {proposed["by"]}, {moment(proposed["at"])}: "{proposed["why"]}", {what} for '
            f"{proposed['rollout']} % of the keys, effect {proposed['effect']}.",
        )
        changes = difference(stable, Documents.of(f"proposal {number}", proposed))
        out().print(changes or "No difference.")
    confirm(f"Activate this for {app}?", yes=yes)
    Change(policies, "approve", {"proposal": number, "why": reason}).carry_out(as_json=as_json)


def reject(
    app: AppOption,
    reason: Reason,
    proposal: ProposalOption = None,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Reject a proposal. Its author may withdraw it the same way."""
    policies = AppPolicies(find_deployment(stack, region, project_layout()), app)
    number = _waiting(policies, proposal)
    Change(policies, "reject", {"proposal": number, "why": reason}).carry_out(as_json=as_json)


def _waiting(policies: AppPolicies, named: int | None) -> int:
    number = policies.status()["proposal"] if named is None else named
    if number is None:
        raise OperatorError(f"No proposal for {policies.app} waits for approval.")
    return int(number)
