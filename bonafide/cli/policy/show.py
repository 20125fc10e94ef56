"""``bonafide policy show``, ``diff`` and ``history``: which version is active, what changed, and who changed it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from bonafide.cli.outcome import AppOption, status_sentence
from bonafide.cli.policy.pacing import paced_sentence
from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, Region, StackName, moment, out, print_json, table
from bonafide.operator.deployment import find_deployment
from bonafide.operator.errors import OperatorError
from bonafide.policies.drafts import read_draft
from bonafide.policies.publishing import FILES, AppPolicies, Documents, difference


def show(
    app: AppOption,
    version: Annotated[
        int | None, typer.Option("--version", metavar="N", min=0, help="One version with its documents.")
    ] = None,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Show the active version of an app's policy, and the proposal that waits for approval.

    With --version: one version and its documents. Version 0 is the built-in default.
    """
    policies = AppPolicies(find_deployment(stack, region, project_layout()), app)
    if version is not None:
        record = policies.version(version)
        if as_json:
            print_json(record)
        else:
            _print_version(record)
        return
    status = policies.status()
    if as_json:
        print_json(status)
        return
    out().print(status_sentence(status))
    for paced in status.get("paced", ()):
        out().print(
            f"Tokens issued before {moment(paced['from'])} are refused one by one until {moment(paced['until'])}; at "
            f"once: {paced_sentence(paced)}."
        )
    if status["proposal"] is not None:
        proposed = policies.proposal(status["proposal"])
        out().print(
            f'Proposal {status["proposal"]} by {proposed["by"]} waits for another person: "{proposed["why"]}".',
        )
    if status["approval"] == "two-person":
        out().print("Publishing needs a second person.")


def history(
    app: AppOption,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=500, help="How many at most.")] = 20,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """List the versions of an app's policy, the newest first: who published them, when and why."""
    policies = AppPolicies(find_deployment(stack, region, project_layout()), app)
    versions = policies.history(limit)
    if as_json:
        print_json(versions)
        return
    columns = ("version", "published", "by", "effect", "started at", "why")
    table(columns, (_row(version) for version in versions))


def diff(
    app: AppOption,
    what: Annotated[
        list[str] | None, typer.Argument(metavar="[A [B] | DRAFT]", help="Two versions, one version, or a draft.")
    ] = None,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Compare two versions, or a version or draft with the active version. Without arguments: the latest change."""
    policies = AppPolicies(find_deployment(stack, region, project_layout()), app)
    old, new = _pair(policies, what or [])
    changes = difference(old, new)
    if as_json:
        print_json({"old": old.name, "new": new.name, "diff": changes})
    else:
        out().print(changes or f"No difference between {old.name} and {new.name}.")


def _pair(policies: AppPolicies, what: list[str]) -> tuple[Documents, Documents]:
    if len(what) == 2 and all(word.isdecimal() for word in what):
        return policies.documents(int(what[0])), policies.documents(int(what[1]))
    if len(what) > 1:
        raise OperatorError("Name two versions, one version, or one draft.")
    status = policies.status()
    stable = status["stable"]
    if what and what[0].isdecimal():
        return policies.documents(int(what[0])), policies.documents(stable)
    if what:
        stands, draft = policies.documents(stable), read_draft(Path(what[0]))
        wanted = (draft.appraisal, draft.client)
        both = (
            new if new is not None else old for new, old in zip(wanted, (stands.appraisal, stands.client), strict=True)
        )
        return stands, Documents(what[0], *both)
    if status["proposal"] is not None:
        number = status["proposal"]
        return policies.documents(stable), Documents.of(f"proposal {number}", policies.proposal(number))
    if status["canary"] is not None:
        return policies.documents(stable), policies.documents(status["canary"]["version"])
    if status["previous"] is None:
        raise OperatorError(f"No policy of {policies.app} is published: there is nothing to compare.")
    return policies.documents(status["previous"]), policies.documents(stable)


def _row(version: Mapping[str, Any]) -> tuple[str, ...]:
    who = f"{version['by']}\napproved by {version['approved_by']}" if version["approved_by"] else version["by"]
    back = "" if version["restores"] is None else f"back to {version['restores']}: "
    return (
        str(version["version"]),
        moment(version["at"]),
        who,
        version["effect"],
        f"{version['rollout']} %",
        f"{back}{version['why']}",
    )


def _print_version(record: Mapping[str, Any]) -> None:
    if record["version"]:
        table(("version", "published", "by", "effect", "started at", "why"), [_row(record)])
    for document, file in FILES.items():
        if record[document]:
            out().print(f"\n--- {file} ---")
            out().print(record[document].rstrip("\n"))
