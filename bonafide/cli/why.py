"""``bonafide why CODE``: from the support code that a person quotes to decision, rule, advice and facts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from bonafide.cli.keys.device_key import duration
from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, Region, StackName, moment, out, print_json, table
from bonafide.operator.deployment import Deployment, find_deployment, local_stack, require_stack_of_region
from bonafide.operator.errors import OperatorError
from bonafide.replay.support_lookup import Told, deployed_lines, local_lines, read_code

_WHAT = {
    "enrol": "enrolment",
    "renew": "renewal",
    "signal": "reported signal",
    "authorize": "request at the gate",
    "body": "signed body at the backend",
}


def why(
    code: Annotated[str, typer.Argument(metavar="CODE", help="The support code that the user quotes.")],
    since: Annotated[str, typer.Option("--since", metavar="SPAN", help="How far back in AWS, as in 24h or 7d.")] = "7d",
    log_group: Annotated[
        list[str] | None,
        typer.Option("--log-group", metavar="NAME", help="Log group of another stack's authorizer or backend; again."),
    ] = None,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Say why a client was refused: decision, reason, rules with their advice, and the facts that were judged.

    Locally it reads logs and recorded decisions, in AWS the stack's log groups. Exit code 1 when nothing is found.
    """
    wanted = read_code(code)
    seconds = duration(since)
    require_stack_of_region(stack, region)
    layout = project_layout()
    if stack is None:
        deployment = _running()
        found = local_lines(wanted, [layout.logs, *sorted(layout.local.glob("*/logs"))], layout.decisions)
    else:
        deployment = find_deployment(stack, region, layout)
        groups = [*deployment.log_groups, *(log_group or ())]
        found = deployed_lines(wanted, deployment.aws("logs"), groups, since=time.time() - seconds)
    if not found:
        raise OperatorError(_nothing(wanted, stack, since))
    sources = _sources(deployment, found[0])
    if as_json:
        rules = [{"rule": s.rule, "line": s.line, "advice": s.advice, "text": s.text} for s in sources]
        print_json({"code": wanted, "decisions": [told.to_record() for told in found], "rules": rules})
        return
    table(("", f"Support code {wanted}"), _summary(found[0], len(found)))
    for source in sources:
        out().print(f"\nRule {source.rule}, line {source.line}, advice: {source.advice or 'none'}")
        out().print(source.text)
    facts = found[0].line.get("facts")
    if isinstance(facts, dict):
        out().print("")
        table(("", "Facts that were judged"), _flat(facts))
    if len(found) > 1:
        out().print("")
        table(("time", "log", "what", "reason", "request"), (_row(told) for told in found))


def _summary(told: Told, count: int) -> Iterator[tuple[str, str]]:
    reason = told.text("reason")
    title, retry, advice = _public(reason)
    facts = (
        ("decision", f"{_what(told)}: {told.text('outcome')}"),
        ("time", moment(told.at)),
        ("times", str(count) if count > 1 else ""),
        ("stands for", _stands_for(told)),
        ("reason", reason),
        ("detail", told.text("detail")),
        ("client was told", title),
        ("client may", retry),
        ("advice", advice),
        ("rules", ", ".join(told.rules)),
        ("policy version", told.text("policy_version")),
        ("tier", told.text("tier")),
        ("app", told.text("app")),
        ("key", told.text("key_id")),
        ("platform", told.text("platform")),
        ("app build", told.text("app_build")),
        ("system", told.text("os")),
        ("model", told.text("model")),
        ("country", told.text("country")),
        ("audience", told.text("audience")),
        ("route", " ".join(filter(None, (told.text("method"), told.text("route"))))),
        ("asks for", told.text("requirement")),
        ("request", told.text("request_id")),
        ("log", told.where),
    )
    yield from ((name, said) for name, said in facts if said)


def _stands_for(told: Told) -> str:
    weight = told.text("weight")
    return f"{weight} refusals of a flood, of which only some are listed" if weight else ""


def _public(reason: str) -> tuple[str, str, str]:
    """What the client was told: title, when to try again, and advice where no rule gives it."""
    from service.edge.problems import ADVICE_OF, problem_of, reason_named

    known = reason_named(reason)
    if known is None:
        return "", "", ""
    problem = problem_of(known)
    return (
        f"{problem.status} {problem.slug}: {problem.title}",
        _RETRY[problem.retry.value],
        ", ".join(ADVICE_OF.get(known, ())),
    )


_RETRY = {
    "never": "not repeat the same request",
    "now": "repeat it now",
    "after-challenge": "repeat it with a new challenge",
    "later": "repeat it later",
}


def _sources(deployment: Deployment | None, told: Told) -> list[Any]:
    version = told.line.get("policy_version")
    if not told.rules or not isinstance(version, int) or (deployment is None and version):
        return []
    from bonafide.policies.rule_sources import rule_sources  # loads Cedar

    return rule_sources(deployment, told.text("app"), version, told.rules)


def _running() -> Deployment | None:
    try:
        return local_stack(project_layout())
    except OperatorError:
        return None


def _flat(facts: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in facts.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _row(told: Told) -> tuple[str, ...]:
    return moment(told.at), told.where, _what(told), told.text("reason"), told.text("request_id")


def _what(told: Told) -> str:
    return _WHAT.get(told.text("action"), told.text("message"))


def _nothing(code: str, stack: str | None, since: str) -> str:
    if stack is None:
        return f"Nothing was logged under {code} here: name the stack with --stack, or the local one with --name."
    return (
        f"Nothing was logged under {code} in the last {since}: look further back with --since, and name the log groups "
        f"of your own authorizers and backends with --log-group. In a flood of refusals not every one is listed."
    )
