"""``bonafide policy publish``: make a draft the next version of an app's policy."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from bonafide.cli.app.builds import preview_client_policy
from bonafide.cli.outcome import AppOption, Change, Now, Reason, Rollout, Yes, confirm, effect, say_messages
from bonafide.cli.policy.checks import Checked, FileMessage, NoProofs, check_draft
from bonafide.cli.policy.pacing import AtOnce, Grace, KeysFile, asked_pacing, confirm_named, members_of
from bonafide.cli.policy.policy import DraftPath
from bonafide.cli.policy.prove import record_of
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
    at_once: AtOnce = None,
    keys: KeysFile = None,
    grace: Grace = None,
    yes: Yes = False,
    skip_pin_check: SkipPinCheck = False,
    no_proofs: NoProofs = False,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Publish a draft: check it, prove its properties, show what it changes, ask, and make it the app's next version.

    A document that the draft lacks stays as it is. If the stack requires a second person, the draft becomes a proposal
    for that person to approve.
    """
    pacing = asked_pacing(now=now, at_once=at_once, keys=keys, grace=grace)
    draft = read_draft(path)
    _require_sound(check_draft(draft, path, now=time.time(), proofs=not no_proofs), as_json)
    if draft.client is not None and not skip_pin_check:
        from bonafide.policies.pin_check import check_pins

        pins = tuple(FileMessage(draft.names["client"], found) for found in check_pins(draft.client))
        _require_sound(Checked(pins), as_json)
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
    confirm_named(policies, status, draft.appraisal, pacing, proofs=not no_proofs, yes=yes)
    confirm(f"Publish this to {rollout} % of the keys of {app}?", yes=yes)
    members = {
        "appraisal": draft.appraisal,
        "client": draft.client,
        "why": reason,
        "rollout": rollout,
        "effect": effect(now),
        "expected_version": status["latest"],
        **members_of(pacing),
    }
    try:
        Change(policies, "", members).carry_out(as_json=as_json)
    except AdminProblem as problem:
        say_messages(problem, draft.names)
        raise


def _require_sound(checked: Checked, as_json: bool) -> None:
    if checked.errors and as_json:
        messages = [entry.to_record() for entry in checked.messages]
        proofs = [record_of(proof) for proof in checked.proofs]
        print_json({"errors": checked.errors, "messages": messages, "proofs": proofs})
    else:
        for line in checked.lines():
            err().print(line)
    if checked.note:
        err().print(checked.note)
    if checked.errors:
        err().print("Nothing was published.")
        raise typer.Exit(EXIT_FAILED)
