"""``bonafide why CODE``: from the support code that a person quotes to decision, rule, advice and facts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
from service.support.decision_of_code import Told
from service.support.rule_text import RuleSource

from bonafide.cli.keys.device_key import duration
from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, Region, StackName, err, moment, out, print_json, table
from bonafide.operator.admin_api import AdminApi
from bonafide.operator.deployment import Deployment, find_deployment, local_stack, require_stack_of_region
from bonafide.operator.errors import OperatorError
from bonafide.replay.support_lookup import deployed_lines, local_lines, read_code, told_by_stack

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

    Locally it reads logs and recorded decisions. In AWS the stack reads its own log groups; where you name others, or
    the stack is of an older release, this reads them with your credentials. Exit code 1 when nothing is found.
    """
    wanted = read_code(code)
    since_moment = time.time() - duration(since)
    require_stack_of_region(stack, region)
    layout = project_layout()
    answer = None
    if stack is None:
        deployment = _running()
        found = local_lines(wanted, [layout.logs, *sorted(layout.local.glob("*/logs"))], layout.decisions)
    else:
        deployment = find_deployment(stack, region, layout)
        if not log_group:  # the stack reads its own logs, and no others
            answer = told_by_stack(wanted, AdminApi(deployment), since=since_moment)
        if answer is None:
            groups = [*deployment.log_groups, *(log_group or ())]
            found = deployed_lines(wanted, deployment.aws("logs"), groups, since=since_moment)
        else:
            found = [Told(one["at"], one["log"], one["decision"]) for one in answer["decisions"]]
    if answer is not None and not answer["searched"]["complete"]:
        err().print(_UNFINISHED.format(moment(answer["searched"]["since"])))
    if not found:
        raise OperatorError(_nothing(wanted, stack, since))
    if answer is None:
        told = _told(deployment, found)
        answer = {"code": wanted, "decisions": told, "searched": None}
    rules = answer["decisions"][0]["rules"]
    if as_json:
        print_json({**answer, "rules": rules})
        return
    table(("", f"Support code {wanted}"), _summary(found[0], len(found)))
    for rule in rules:
        out().print(f"\nRule {rule['rule']}, line {rule['line']}, advice: {rule['advice'] or 'none'}")
        out().print(rule["text"])
    facts = found[0].line.get("facts")
    if isinstance(facts, dict):
        out().print("")
        table(("", "Facts that were judged"), _flat(facts))
    if len(found) > 1:
        out().print("")
        table(("time", "log", "what", "reason", "request"), (_row(told) for told in found))


_UNFINISHED = (
    "The stack's time ran out before it had read all of its logs since {}: name a shorter --since, or a --log-group to "
    "read them from here."
)


def _told(deployment: Deployment | None, found: list[Told]) -> list[dict[str, Any]]:
    """Each decision with its rules, as the stack itself would tell it."""
    from service.support.told_client import told_client

    texts: dict[object, list[RuleSource]] = {}
    records = []
    for told in found:
        named = (told.text("app"), told.line.get("policy_version"), told.rules)
        if named not in texts:
            texts[named] = _sources(deployment, told)
        rules = [source.to_record() for source in texts[named]]
        records.append({**told.to_record(), "rules": rules, "told": told_client(told.line, texts[named])})
    return records


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


def _sources(deployment: Deployment | None, told: Told) -> list[RuleSource]:
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
