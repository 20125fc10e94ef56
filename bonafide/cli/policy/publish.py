"""``bonafide policy publish``: make a draft the next version of an app's policy."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Annotated

import typer

from bonafide.cli.app.builds import preview_client_policy
from bonafide.cli.outcome import AppOption, Change, Now, Reason, Rollout, Yes, confirm, effect, say_messages
from bonafide.cli.policy.policy import DraftPath, FileMessage, lint_draft
from bonafide.cli.project import project_layout
from bonafide.cli.terminal import EXIT_FAILED, AsJson, Region, StackName, err, out, print_json
from bonafide.operator.admin_api import AdminProblem
from bonafide.operator.deployment import find_deployment
from bonafide.operator.errors import OperatorError
from bonafide.policies.drafts import read_draft
from bonafide.policies.publishing import AppPolicies, Documents, difference

SkipPinCheck = Annotated[
    bool,
    typer.Option("--skip-pin-check", help="Do not ask the hosts of a client policy whether its pins match them."),
]


def publish(
    path: DraftPath,
    app: AppOption,
    reason: Reason,
    rollout: Rollout = 100,
    now: Now = False,
    yes: Yes = False,
    skip_pin_check: SkipPinCheck = False,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Publish a draft: check it, show what it changes, ask, and make it the app's next version.

    A document that the draft lacks stays as it is. If the stack requires a second person, the draft becomes a proposal
    for that person to approve.
    """
    draft = read_draft(path)
    _require_sound(lint_draft(draft, now=time.time()), as_json)
    if draft.client is not None and not skip_pin_check:
        from bonafide.policies.pin_check import check_pins

        _require_sound([FileMessage(draft.names["client"], found) for found in check_pins(draft.client)], as_json)
    deployment = find_deployment(stack, region, project_layout())
    policies = AppPolicies(deployment, app)
    status = policies.status()
    stands = policies.documents(status["stable"])
    wanted = Documents(
        str(path),
        stands.appraisal if draft.appraisal is None else draft.appraisal,
        stands.client if draft.client is None else draft.client,
    )
    changes = difference(stands, wanted)
    if not changes and status["canary"] is None:
        raise OperatorError(f"{path} is active for {app} already (version {status['stable']}).")
    if not as_json:
        out().print(changes or f"No difference from version {status['stable']}.")
    preview_client_policy(deployment, app, stood=stands.client, wanted=wanted.client)
    confirm(f"Publish this to {rollout} % of the keys of {app}?", yes=yes)
    members = {
        "appraisal": draft.appraisal,
        "client": draft.client,
        "why": reason,
        "rollout": rollout,
        "effect": effect(now),
        "expected_version": status["latest"],
    }
    try:
        Change(policies, "", members).carry_out(as_json=as_json)
    except AdminProblem as problem:
        say_messages(problem, draft.names)
        raise


def _require_sound(found: Sequence[FileMessage], as_json: bool) -> None:
    errors = [entry for entry in found if entry.message.severity == "error"]
    if errors and as_json:
        print_json({"errors": len(errors), "messages": [entry.to_record() for entry in found]})
    else:
        for entry in found:
            err().print(str(entry))
    if errors:
        err().print("Nothing was published.")
        raise typer.Exit(EXIT_FAILED)
