"""``bonafide signing-key``: the stack's signing keys."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, Region, StackName, command_group, moment, out, print_json, table
from bonafide.operator.admin_api import AdminApi
from bonafide.operator.deployment import find_deployment

commands = command_group("Rotate and list the stack's signing keys.")

_SHOWN = ("kid", "purpose", "created_at", "active_from", "retired_at")


@commands.command()
def rotate(
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="The reason, for the audit.")] = "",
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Make a new signing key and announce it; it signs once every relying party can know it."""
    api = AdminApi(find_deployment(stack, region, project_layout()))
    answer = api.call("POST", "/admin/signing-keys/rotate", {"why": reason})
    if as_json:
        print_json({"BundleVersion": answer["bundle_version"], "Kids": answer["kids"]})
    else:
        out().print(f"Trust bundle {answer['bundle_version']} announces {', '.join(answer['kids'])}.")
        out().print(
            "The newest signs once every relying party can know it: `bonafide signing-key list` shows from when."
        )


@commands.command("list")
def list_keys(stack: StackName = None, region: Region = None, as_json: AsJson = False) -> None:
    """List signing keys: names and times, never key material."""
    deployment = find_deployment(stack, region, project_layout())
    pages = deployment.aws("dynamodb").get_paginator("scan")
    # Only these attributes leave the table: the wrapped key is never even read.
    projection = {
        "ProjectionExpression": ", ".join(f"#{name}" for name in _SHOWN),
        "ExpressionAttributeNames": {f"#{name}": name for name in _SHOWN},
    }
    items = [
        {name: _plain(item.get(name)) for name in _SHOWN}
        for page in pages.paginate(TableName=deployment.tables["signing_keys"], ConsistentRead=True, **projection)
        for item in page["Items"]
    ]
    items.sort(key=lambda key: (str(key["purpose"]), float(key["created_at"] or 0)))
    if as_json:
        print_json(items)
    else:
        table(
            ("kid", "purpose", "created", "active from", "retired"),
            ((str(key["kid"]), str(key["purpose"]), *(moment(key[name]) for name in _SHOWN[2:])) for key in items),
        )


def _plain(attribute: dict[str, str] | None) -> Any:
    if not attribute:
        return None
    return int(float(attribute["N"])) if "N" in attribute else attribute.get("S")
