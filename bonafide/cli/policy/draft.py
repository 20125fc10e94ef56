"""``bonafide policy draft``: a rule from what devices have in common, appended to the active policy."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from bonafide.cli.outcome import AppOption
from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, Region, StackName, err, print_json
from bonafide.operator.deployment import find_deployment, require_stack_of_region
from bonafide.operator.errors import OperatorError
from bonafide.policies.publishing import AppPolicies


def draft(
    app: AppOption,
    fact: Annotated[
        list[str],
        typer.Option(
            "--fact",
            metavar="NAME=VALUE",
            help="What they have in common: why, platform, build, os, model, country, signal or finding; may repeat.",
        ),
    ],
    only_warn: Annotated[bool, typer.Option("--only-warn", help="Lower them to a warning instead.")] = False,
    advice: Annotated[str | None, typer.Option("--advice", metavar="WORD", help="What the app is told to do.")] = None,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Write a draft that refuses devices by what they have in common, as the console's "Refuse these" does.

    The draft goes to standard output, what it cannot say to standard error. Nothing is published.
    """
    require_stack_of_region(stack, region)
    facts = {}
    for text in fact:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise typer.BadParameter(f"{text!r} is not NAME=VALUE.", param_hint="--fact")
        facts[name] = value
    policies = AppPolicies(find_deployment(stack, region, project_layout()), app)
    active = policies.documents(int(policies.status()["stable"])).appraisal
    from attestation.appraisal.cedar.rules import PolicyInvalid  # loads Cedar
    from attestation.appraisal.result import Tier

    from bonafide.policies.drafted_rule import CannotDraft, draft_rule

    tier = Tier.WARNING if only_warn else Tier.CONTRAINDICATED
    try:
        drafted = draft_rule(active, facts, now=time.time(), tier=tier, advice=advice)
    except (CannotDraft, PolicyInvalid) as error:
        raise OperatorError(str(error)) from error
    if as_json:
        members = {"rule": drafted.rule, "text": drafted.text, "notes": list(drafted.notes)}
        print_json({"appraisal": drafted.appraisal, **members})
        return
    for note in drafted.notes:
        err().print(note)
    typer.echo(drafted.appraisal, nl=False)
