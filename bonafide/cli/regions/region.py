"""``bonafide region``: which regions a stack has, which one is lost, and who serves its keys."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from bonafide.cli.outcome import Yes, confirm
from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, Region, StackName, command_group, moment, out, print_json, table
from bonafide.operator.admin_api import AdminApi
from bonafide.operator.deployment import find_deployment
from bonafide.operator.errors import OperatorError
from bonafide.regions.regions import Regions

commands = command_group("Regions of a stack: which there are, which one is lost, who serves its keys.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The region's name, as RegionName of its stack says.")]
Url = Annotated[str, typer.Argument(metavar="URL", help="Its verifier's base URL, as apps have it.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="The reason, for the audit.")]


@commands.command("list")
def list_regions(stack: StackName = None, region: Region = None, as_json: AsJson = False) -> None:
    """List the regions: the state of each, since which epoch, and whose keys it serves."""
    _say(_regions(stack, region).show(), as_json)


@commands.command(no_args_is_help=True)
def found(
    name: Name, url: Url, reason: Reason, stack: StackName = None, region: Region = None, as_json: AsJson = False
) -> None:
    """Make a stack the first region of several. Nothing changes for its apps; deploy it with RegionName then."""
    _change(_regions(stack, region), name, "found", as_json, url=url, why=reason)


@commands.command(no_args_is_help=True)
def add(
    name: Name,
    url: Url,
    reason: Reason,
    yes: Yes = False,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Add a region, before its stack is deployed over the replicated tables."""
    regions = _regions(stack, region)
    confirm(f"Add region {name}? A name is for good: it can be lost, and never be taken away", yes=yes)
    _change(regions, name, "add", as_json, url=url, why=reason)


@commands.command(no_args_is_help=True)
def lose(
    name: Name,
    adopter: Annotated[
        str, typer.Option("--adopter", metavar="NAME", help="The active region that serves its keys from now on.")
    ],
    reason: Reason,
    yes: Yes = False,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Declare a region lost: it redeems nothing any more, and another one serves its keys."""
    regions = _regions(stack, region)
    confirm(
        f"Declare {name} lost? It answers 503 from when it knows, and {adopter} serves the keys that have replicated; "
        "the others enrol again",
        yes=yes,
    )
    _change(regions, name, "lose", as_json, adopter=adopter, why=reason)


@commands.command(no_args_is_help=True)
def restore(
    name: Name,
    reason: Reason,
    yes: Yes = False,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Let a lost region serve again. Keys that renewed elsewhere meanwhile stay there."""
    regions = _regions(stack, region)
    confirm(f"Let {name} serve again? Its tables must have caught up: docs/regions.md", yes=yes)
    _change(regions, name, "restore", as_json, why=reason)


@commands.command(no_args_is_help=True)
def administer(
    name: Name,
    reason: Reason,
    yes: Yes = False,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Move the administration of policies, apps and routes to another region."""
    regions = _regions(stack, region)
    confirm(f"Administer the stack in {name}? The Admin API of the other regions refuses changes then", yes=yes)
    _change(regions, name, "administer", as_json, why=reason)


@commands.command()
def sign(reason: Reason, stack: StackName = None, region: Region = None, as_json: AsJson = False) -> None:
    """Sign the document anew, with the root key of today: before an old root key is dropped."""
    regions = _regions(stack, region)
    seen = regions.show()
    if not seen["epoch"]:
        raise OperatorError("This stack has no region document.")
    _say(regions.change(str(seen["administration"]), "sign", seen, why=reason), as_json)


def _change(regions: Regions, name: str, change: str, as_json: bool, **members: str) -> None:
    _say(regions.change(name, change, regions.show(), **members), as_json)


def _say(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    if not answer["epoch"]:
        out().print("This stack has one region.")
        return
    table(
        ("region", "state", "since epoch", "at", "serves the keys of", "verifier"),
        (
            (
                f"{one['region']} (asked)" if one["region"] == answer["here"] else one["region"],
                f"lost, adopted by {one['adopted_by']}" if one["adopted_by"] else one["state"],
                str(one["since"]),
                moment(one["at"]),
                ", ".join(one["serves"]) or "—",
                one["url"],
            )
            for one in answer["regions"]
        ),
    )
    out().print(f"Epoch {answer['epoch']}. Administered in {answer['administration']}.")


def _regions(stack: str | None, region: str | None) -> Regions:
    return Regions(AdminApi(find_deployment(stack, region, project_layout())))
