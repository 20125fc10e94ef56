"""``bonafide endorsements``: the stack's copy of Google's list of revoked Android keys."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from bonafide.cli.project import project_layout
from bonafide.cli.terminal import EXIT_FAILED, AsJson, Region, StackName, command_group, moment, out, print_json, table
from bonafide.operator.deployment import find_deployment
from bonafide.operator.endorsement_feed import EndorsementFeed
from bonafide.operator.errors import OperatorError

commands = command_group("Show and refresh the list of revoked Android keys.")


@commands.command()
def show(stack: StackName = None, region: Region = None, as_json: AsJson = False) -> None:
    """Show what is stored: how many entries, how old, until when Google's answer counts as fresh."""
    stored = _feed(stack, region).stored()
    if stored is None:
        raise OperatorError("No list was fetched yet: `bonafide endorsements refresh` says why.")
    age = max(0.0, time.time() - stored.fetched_at)
    if as_json:
        print_json(
            {
                "entries": stored.entries,
                "age": round(age),
                "fetched_at": stored.fetched_at,
                "fresh_until": stored.fresh_until,
                "revision": stored.revision,
                "stored_bytes": len(stored.content),
            }
        )
        return
    rows = (
        ("entries", str(stored.entries)),
        ("confirmed by Google", f"{moment(stored.fetched_at)}, {age:.0f} s ago"),
        ("fresh until", moment(stored.fresh_until)),
        ("revision", str(stored.revision)),
        ("stored", f"{len(stored.content)} bytes"),
    )
    table(("", "Android status list"), rows)


@commands.command()
def refresh(
    force: Annotated[bool, typer.Option("--force", help="Ask Google even before its answer expires.")] = False,
    accept_shrunken: Annotated[
        bool, typer.Option("--accept-shrunken", help="Accept a list that lost more than half of its entries.")
    ] = False,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="The reason, for the audit.")] = "",
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Refresh the list now; exit code 1 when the last good one had to be kept."""
    done = _feed(stack, region).refresh(force=force or accept_shrunken, accept_shrunken=accept_shrunken, why=reason)
    if as_json:
        print_json(done)
    else:
        age = "none is stored" if done.get("age") is None else f"{done['entries']} entries, {done['age']:.0f} s old"
        out().print(f"{done.get('outcome')}: {age}{'; ' + str(done['detail']) if done.get('detail') else ''}")
    if done.get("outcome") == "kept":
        raise typer.Exit(EXIT_FAILED)


def _feed(stack: str | None, region: str | None) -> EndorsementFeed:
    return EndorsementFeed(find_deployment(stack, region, project_layout()))
