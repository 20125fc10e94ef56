"""``bonafide token``: revoke the tokens of an app, so that every instance renews under the rules that hold now; or let
them live longer for a time."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from bonafide.cli.project import project_layout
from bonafide.cli.regions.where import print_where, where_it_holds, where_record
from bonafide.cli.terminal import AsJson, Region, StackName, command_group, moment, out, print_json
from bonafide.operator.deployment import find_deployment
from bonafide.operator.key_blocking import KeyBlocking
from bonafide.operator.publication import Publication, publication_of
from bonafide.regions.holding import Holding, Sought

commands = command_group("Revoke the tokens of an app, or let them live longer for a time.")

AppName = Annotated[str, typer.Argument(metavar="APP", help="A registered app.")]


@commands.command(no_args_is_help=True)
def revoke(app: AppName, stack: StackName = None, region: Region = None, as_json: AsJson = False) -> None:
    """Revoke every token of an app that was issued up to this moment. Genuine apps renew in one round trip."""
    begin = time.monotonic()
    deployment = find_deployment(stack, region, project_layout())
    not_before, answer = KeyBlocking.of(deployment).refuse_older_tokens(app)
    publication = publication_of(deployment, answer, since=begin)
    holding = where_it_holds(deployment, Sought(app=app, not_before=not_before), since=begin)
    _say(app, not_before, publication, holding, as_json=as_json)


@commands.command(no_args_is_help=True)
def show(app: AppName, stack: StackName = None, region: Region = None, as_json: AsJson = False) -> None:
    """Show since when tokens of an app must have been issued to be accepted."""
    not_before = KeyBlocking.of(find_deployment(stack, region, project_layout())).not_before(app)
    _say(app, not_before, None, (), as_json=as_json)


@commands.command(no_args_is_help=True)
def stretch(
    app: AppName,
    minutes: Annotated[
        int | None, typer.Option("--for", min=1, max=1440, metavar="MINUTES", help="From now on, for so long.")
    ] = None,
    end: Annotated[bool, typer.Option("--end", help="Let tokens live as always again.")] = False,
    reason: Annotated[str, typer.Option(help="For the audit log.")] = "",
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Let tokens of affirmed devices live longer, and have apps renew later, while renewals are hard to serve. Without
    --for or --end, show until when."""
    if minutes is not None and end:
        raise typer.BadParameter("give --for or --end, not both")
    tokens = KeyBlocking.of(find_deployment(stack, region, project_layout()))
    told = minutes is not None or end
    until = tokens.stretch(app, 60 * (minutes or 0), reason=reason) if told else tokens.stretched_until(app)
    if as_json:
        print_json({"app": app, "stressed_until": until})
        return
    out().print(
        f"Tokens of {app} are stretched until {moment(until)}." if until else f"Tokens of {app} live as long as always."
    )


def _say(
    app: str,
    not_before: int | None,
    publication: Publication | None,
    holding: tuple[Holding, ...],
    *,
    as_json: bool,
) -> None:
    if as_json:
        published = publication.to_record() if publication else {}
        print_json({"app": app, "tokens_not_before": not_before, **published, **where_record(holding)})
        return
    out().print(
        f"Tokens of {app} are accepted if they were issued at {moment(not_before)} or later."
        if not_before
        else f"No tokens of {app} were revoked."
    )
    if publication:
        out().print(str(publication))
    print_where(holding)
