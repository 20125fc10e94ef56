"""``bonafide policy promote`` and ``rollback``: to more keys, or back to an older version."""

from __future__ import annotations

from typing import Annotated

import typer

from bonafide.cli.outcome import AppOption, Change, Now, Reason, Rollout, Yes, confirm, effect
from bonafide.cli.policy.pacing import AtOnce, Grace, KeysFile, asked_pacing, confirm_named, members_of
from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, Region, StackName, out
from bonafide.operator.deployment import find_deployment
from bonafide.operator.errors import OperatorError
from bonafide.policies.publishing import AppPolicies, difference


def promote(
    app: AppOption,
    reason: Reason,
    rollout: Rollout = 100,
    now: Now = False,
    at_once: AtOnce = None,
    keys: KeysFile = None,
    grace: Grace = None,
    yes: Yes = False,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Raise the rollout of the version that is rolling out; by default to all keys."""
    pacing = asked_pacing(now=now, at_once=at_once, keys=keys, grace=grace)
    policies = AppPolicies(find_deployment(stack, region, project_layout()), app)
    status = policies.status()
    canary = status["canary"]
    if canary is None:
        raise OperatorError(f"No version of {app} is rolling out: there is nothing to promote.")
    if pacing is not None:
        promoted = policies.documents(canary["version"]).appraisal
        confirm_named(policies, {**status, "canary": None}, promoted, pacing, yes=yes)
    members = {"version": canary["version"], "rollout": rollout, "why": reason, "effect": effect(now)}
    Change(policies, "promote", members | members_of(pacing)).carry_out(as_json=as_json)


def rollback(
    app: AppOption,
    reason: Reason,
    to: Annotated[
        int | None,
        typer.Option("--to", metavar="VERSION", min=0, help="The version; default: the one that was active before."),
    ] = None,
    now: Now = False,
    at_once: AtOnce = None,
    keys: KeysFile = None,
    grace: Grace = None,
    yes: Yes = False,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Publish the documents of an older version again, as a new version for all keys."""
    pacing = asked_pacing(now=now, at_once=at_once, keys=keys, grace=grace)
    policies = AppPolicies(find_deployment(stack, region, project_layout()), app)
    status = policies.status()
    before = status["previous"] if status["canary"] is None else status["stable"]
    target = before if to is None else to
    if target is None:
        raise OperatorError(f"There is nothing to go back to: no version was active for {app} before.")
    if not as_json:
        from_version = status["canary"]["version"] if status["canary"] else status["stable"]
        changes = difference(policies.documents(from_version), policies.documents(target))
        out().print(changes or "No difference.")
    if pacing is not None:
        confirm_named(policies, status, policies.documents(target).appraisal, pacing, yes=yes)
    confirm(f"Go back to version {target} for {app}?", yes=yes)
    members = {"to": to, "why": reason, "effect": effect(now), "expected_version": status["latest"]}
    Change(policies, "rollback", members | members_of(pacing)).carry_out(as_json=as_json)
