"""``bonafide app not-before``: have every app instance renew its token, under the rules that hold now."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, Region, StackName, moment, out, print_json
from bonafide.operator.deployment import find_deployment
from bonafide.operator.key_blocking import KeyBlocking
from bonafide.operator.publication import Publication, publication_of

AppName = Annotated[str, typer.Argument(metavar="APP", help="A registered app.")]


def not_before(
    app: AppName,
    now: Annotated[bool, typer.Option("--now", help="Refuse every token that was minted up to this moment.")] = False,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Show, or with --now set, the time before which tokens of an app are refused. Apps renew in one round trip."""
    begin = time.monotonic()
    deployment = find_deployment(stack, region, project_layout())
    blocking = KeyBlocking.of(deployment)
    publication: Publication | None = None
    stands: int | None
    if now:
        stands, answer = blocking.refuse_older_tokens(app)
        publication = publication_of(deployment, answer, since=begin)
    else:
        stands = blocking.not_before(app)
    if as_json:
        print_json({"app": app, "tokens_not_before": stands, **(publication.to_record() if publication else {})})
        return
    out().print(
        f"Tokens of {app} count if they were minted at {moment(stands)} or later."
        if stands
        else f"Every token of {app} counts."
    )
    if publication:
        out().print(str(publication))
