"""``bonafide erase``: forgets what is kept of one key."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from bonafide.cli.outcome import Yes, confirm
from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, Region, StackName, err, out, print_json
from bonafide.erasure.archive import Folder, Kept, Objects, erase_key
from bonafide.operator.admin_api import AdminApi, segment
from bonafide.operator.deployment import Deployment, find_deployment
from bonafide.operator.errors import OperatorError

_KEY_ID: Final = 43
"""Characters of a key_id: SHA-256 in base64url."""


def erase(
    key: Annotated[str, typer.Argument(metavar="KEY", help="The key_id, as tokens, backends and logs name it.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="The reason, for the audit.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Change nothing: say what is kept of the key, and where.")
    ] = False,
    after: Annotated[
        str, typer.Option("--after", metavar="OBJECT", help="Go on behind this object, where a run was interrupted.")
    ] = "",
    yes: Yes = False,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Erase a key from the tables and from the archive of decisions. A block stays, and so does the audit.

    Log lines go when their time is over. The command can be interrupted and repeated at any time.
    """
    deployment = find_deployment(stack, region, project_layout())
    if len(key) != _KEY_ID:
        raise typer.BadParameter(f"a key_id has {_KEY_ID} characters.", param_hint="KEY")
    kept = _kept(deployment)
    if not dry_run:
        confirm(f"Erase all that is kept of the key {key}? This cannot be undone.", yes=yes)
    body = {"dry_run": dry_run, "why": reason}
    answer = AdminApi(deployment).call("POST", f"/admin/erased-keys/{segment(key)}", body)
    looked, records, objects, last = 0, 0, list[str](), after
    try:
        for one in () if kept is None else erase_key(kept, key, after=after, dry_run=dry_run):
            looked, last = looked + 1, one.name
            if one.erased:
                records, objects = records + one.erased, [*objects, one.name]
    except (OperatorError, KeyboardInterrupt):
        err().print(f"Stopped: {records:,} records erased so far. Go on with --after {last}" if last else "Stopped.")
        raise
    if as_json:
        archive = {"archived": kept is not None, "looked_through": looked, "records": records, "objects": objects}
        print_json({**answer, **archive})
        return
    would = "would be" if dry_run else "were"
    row = "Its row" if answer["known"] else "It has no row; what is left of it"
    what = "All of its row but the block" if answer["blocked"] else row
    out().print(f"{what} {'would be' if dry_run else 'was'} erased from the tables.")
    if kept is None:
        out().print("This stack keeps no archive of decisions.")
    else:
        out().print(f"{records:,} records {would} erased from {len(objects):,} of {looked:,} files or objects.")
    out().print("Lines in logs go when their time is over (LogRetentionDays).")


def _kept(deployment: Deployment) -> Kept | None:
    """Where the stack keeps decisions, if it does."""
    if deployment.decision_bucket:
        return Objects(deployment.aws("s3"), deployment.decision_bucket)
    folder = project_layout().decisions
    return Folder(folder) if deployment.is_local and folder.is_dir() else None
