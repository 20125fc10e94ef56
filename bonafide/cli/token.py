"""``bonafide token``: revoke the tokens of an app, so that every instance renews under the rules that hold now."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, Region, StackName, command_group, moment, out, print_json
from bonafide.operator.deployment import find_deployment
from bonafide.operator.key_blocking import KeyBlocking
from bonafide.operator.publication import Publication, publication_of

commands = command_group("Revoke the tokens of an app.")

AppName = Annotated[str, typer.Argument(metavar="APP", help="A registered app.")]


@commands.command(no_args_is_help=True)
def revoke(app: AppName, stack: StackName = None, region: Region = None, as_json: AsJson = False) -> None:
    """Revoke every token of an app that was issued up to this moment. Genuine apps renew in one round trip."""
    begin = time.monotonic()
    deployment = find_deployment(stack, region, project_layout())
    not_before, answer = KeyBlocking.of(deployment).refuse_older_tokens(app)
    _say(app, not_before, publication_of(deployment, answer, since=begin), as_json=as_json)


@commands.command(no_args_is_help=True)
def show(app: AppName, stack: StackName = None, region: Region = None, as_json: AsJson = False) -> None:
    """Show since when tokens of an app must have been issued to be accepted."""
    _say(app, KeyBlocking.of(find_deployment(stack, region, project_layout())).not_before(app), None, as_json=as_json)


def _say(app: str, not_before: int | None, publication: Publication | None, *, as_json: bool) -> None:
    if as_json:
        print_json({"app": app, "tokens_not_before": not_before, **(publication.to_record() if publication else {})})
        return
    out().print(
        f"Tokens of {app} are accepted if they were issued at {moment(not_before)} or later."
        if not_before
        else f"No tokens of {app} were revoked."
    )
    if publication:
        out().print(str(publication))
