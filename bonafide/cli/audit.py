"""``bonafide audit``: who changed what, when and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, Region, StackName, moment, out, print_json, table
from bonafide.operator.admin_api import AdminApi
from bonafide.operator.deployment import find_deployment
from bonafide.operator.errors import WrongUsage

_LONGEST_DETAIL = 120


def audit(
    app: Annotated[str | None, typer.Option("--app", metavar="APP", help="Changes to an app and its policies.")] = None,
    key: Annotated[str | None, typer.Option("--key", metavar="KEY", help="Changes to one attested key.")] = None,
    api: Annotated[
        str | None, typer.Option("--api", metavar="AUDIENCE", help="Changes to the routes of an API.")
    ] = None,
    rule: Annotated[
        str | None, typer.Option("--rule", metavar="ID", help="Changes to the keys that a rule blocked.")
    ] = None,
    webhook: Annotated[str | None, typer.Option("--webhook", metavar="NAME", help="Changes to one webhook.")] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=500, help="How many at most.")] = 20,
    before: Annotated[
        str | None, typer.Option("--before", metavar="ENTRY", help="Go on before an entry of an earlier list.")
    ] = None,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """List changes to an app, key, API, rule or webhook, the newest first: time, author and reason.

    --json shows every detail in full.
    """
    subjects = (("app", app), ("key", key), ("api", api), ("rule", rule), ("webhook", webhook))
    named = [(kind, name) for kind, name in subjects if name]
    if len(named) != 1:
        raise WrongUsage("Name one subject: --app, --key, --api, --rule or --webhook.")
    kind, name = named[0]
    wanted = {"subject": f"{kind}/{name}", "limit": limit, **({"before": before} if before else {})}
    deployment = find_deployment(stack, region, project_layout())
    entries = AdminApi(deployment).call("GET", f"/admin/audit?{urlencode(wanted)}")["entries"]
    if as_json:
        print_json(entries)
        return
    table(("when", "who", "what", "why", "details"), (_row(entry) for entry in entries))
    if len(entries) == limit:
        out().print(f"There may be more: go on with --before {entries[-1]['entry']}")


def _row(entry: Mapping[str, Any]) -> tuple[str, ...]:
    details = "\n".join(f"{name}: {_short(value)}" for name, value in entry["details"].items())
    return moment(entry["at"]), entry["who"], entry["action"], entry["why"], details


def _short(value: object) -> str:
    """A detail that fits into a table: whole documents are details, too. It ends between two words."""
    text = " ".join(str(value).split())
    if len(text) <= _LONGEST_DETAIL:
        return text
    return f"{text[:_LONGEST_DETAIL].rpartition(' ')[0]} (more with --json)"
