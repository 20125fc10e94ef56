"""``bonafide device-key list --blocked`` and ``device-key unblock --rule``: many blocked keys at a time."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from bonafide.cli.outcome import confirm
from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, Region, StackName, err, moment, out, print_json, table
from bonafide.operator.admin_api import AdminApi
from bonafide.operator.blocked_keys import BlockedKeys, Listed, Progress
from bonafide.operator.deployment import Deployment, find_deployment
from bonafide.operator.errors import OperatorError, WrongUsage
from bonafide.operator.publication import publication_of

OfApp = Annotated[str | None, typer.Option("--app", metavar="APP", help="Keys of one app only.")]
After = Annotated[str | None, typer.Option("--after", metavar="KEY", help="Go on where an earlier command stopped.")]


def list_keys(
    blocked: Annotated[
        bool, typer.Option("--blocked", help="Keys that are blocked now. No other keys can be listed.")
    ] = False,
    app: OfApp = None,
    rule: Annotated[str | None, typer.Option("--rule", metavar="ID", help="Those that one rule blocked.")] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=100_000, help="How many at most.")] = 100,
    after: After = None,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """List blocked keys: app, time, author and reason.

    The command reads the whole table of keys, page by page: with many millions of keys that takes minutes.
    """
    if not blocked:
        raise WrongUsage("Add --blocked: only blocked keys can be listed.")
    found = _blocked_keys(find_deployment(stack, region, project_layout())).list(
        app=app, rule=rule, after=after, limit=limit
    )
    if as_json:
        print_json({"keys": [status.to_record() for status in found.keys], "after": found.after})
    else:
        _print(found)


def unblock_rule(
    rule: str,
    *,
    app: str | None,
    after: str | None,
    reason: str,
    yes: bool,
    stack: str | None,
    region: str | None,
    as_json: bool,
) -> None:
    """Unblock every key that a rule blocked, and report the result. Raises :class:`OperatorError`."""
    begin = time.monotonic()
    deployment = find_deployment(stack, region, project_layout())
    of = f" of {app}" if app else ""
    confirm(f"Unblock every key{of} that the rule {rule} blocked?", yes=yes)
    progress = Progress(after=after)
    try:
        for progress in _blocked_keys(deployment).unblock_rule(rule, app=app, after=after, reason=reason):
            err().print(f"{progress.unblocked:,} unblocked, {progress.examined:,} keys looked at")
    except (OperatorError, KeyboardInterrupt):
        go_on = f" Go on with --after {progress.after}." if progress.after else ""
        err().print(f"Stopped: {progress.unblocked:,} keys were unblocked, the others are as they were.{go_on}")
        raise
    _say(deployment, rule, progress, begin, as_json)


def _say(deployment: Deployment, rule: str, progress: Progress, begin: float, as_json: bool) -> None:
    published = publication_of(deployment, progress.last, since=begin) if progress.last else None
    if as_json:
        record = {"rule": rule, "unblocked": progress.unblocked, "changing": progress.changing}
        print_json({**record, **(published.to_record() if published else {})})
        return
    out().print(f"{progress.unblocked:,} keys that {rule} blocked may renew again.")
    if progress.changing:
        keys = ", ".join(progress.changing[:5])
        out().print(f"{len(progress.changing)} changed at that moment and are as they were ({keys}): repeat it.")
    if published is not None:
        out().print(str(published))


def _print(found: Listed) -> None:
    rows = (
        (
            status.key_id,
            status.app,
            moment(status.blocked_at),
            "for good" if status.blocked_until is None else moment(status.blocked_until),
            status.blocked_by,
            status.reason,
        )
        for status in found.keys
    )
    table(("key", "app", "blocked", "until", "by", "reason"), rows)
    if found.after is not None:
        out().print(f"There may be more: go on with --after {found.after}")


def _blocked_keys(deployment: Deployment) -> BlockedKeys:
    return BlockedKeys(AdminApi(deployment))
