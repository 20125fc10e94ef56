"""``bonafide device-key``: show, block and unblock attested keys."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import typer

from bonafide.cli.keys.blocked_keys import After, OfApp, list_keys, unblock_rule
from bonafide.cli.outcome import Yes
from bonafide.cli.project import project_layout
from bonafide.cli.regions.where import print_where, where_it_holds, where_record
from bonafide.cli.terminal import AsJson, Region, StackName, command_group, moment, out, print_json, table
from bonafide.operator.deployment import Deployment, find_deployment
from bonafide.operator.key_blocking import NEVER, KeyBlocking, KeyStatus
from bonafide.operator.publication import Publication, publication_of
from bonafide.regions.holding import Sought
from bonafide.replay.spans import seconds_of

commands = command_group("Block and unblock attested keys, one device at a time.")

KeyId = Annotated[str, typer.Argument(metavar="KEY", help="The key_id, as tokens, backends and logs name it.")]

_ANY_ID: Final = {"ignore_unknown_options": True}
"""A key_id is base64url, and one in sixty-four begins with a dash."""


def duration(text: str) -> int:
    """Seconds of ``30m``, ``12h``, ``7d`` or ``2w``. Raises :class:`typer.BadParameter`."""
    seconds = seconds_of(text)
    if seconds is None:
        raise typer.BadParameter(f"{text!r} is not a time span, as in 30m, 12h, 7d or 2w.")
    return seconds


@commands.command(no_args_is_help=True, context_settings=_ANY_ID)
def block(
    key: KeyId,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="The reason, for the audit.")] = "",
    lasting: Annotated[
        str | None, typer.Option("--for", metavar="SPAN", help="How long, as in 12h or 7d; default: permanently.")
    ] = None,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Block a key. It cannot renew, and its tokens are refused everywhere within seconds."""
    seconds = None if lasting is None else duration(lasting)
    begin = time.monotonic()
    deployment = find_deployment(stack, region, project_layout())
    status, answer = KeyBlocking.of(deployment).block(key, reason=reason, seconds=seconds)
    _say(deployment, status, publication_of(deployment, answer, since=begin), begin, as_json)


@commands.command(no_args_is_help=True, context_settings=_ANY_ID)
def unblock(
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help="The key_id, as tokens, backends and logs name it.")
    ] = None,
    rule: Annotated[
        str | None, typer.Option("--rule", metavar="ID", help="Instead of one key, every key that this rule blocked.")
    ] = None,
    app: OfApp = None,
    after: After = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="The reason, for the audit.")] = "",
    yes: Yes = False,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Unblock a key, or with --rule every key that a rule of a policy blocked.

    With --rule, blocks placed by operators stay. The command can be interrupted and repeated at any time.
    """
    if (key is None) == (rule is None):
        raise typer.BadParameter("name one key, or --rule.", param_hint="KEY")
    if rule is not None:
        unblock_rule(rule, app=app, after=after, reason=reason, yes=yes, stack=stack, region=region, as_json=as_json)
        return
    if key is None or app is not None or after is not None:
        raise typer.BadParameter("--app and --after go with --rule.", param_hint="KEY")
    begin = time.monotonic()
    deployment = find_deployment(stack, region, project_layout())
    status, answer = KeyBlocking.of(deployment).unblock(key, reason=reason)
    _say(deployment, status, publication_of(deployment, answer, since=begin), begin, as_json)


@commands.command(no_args_is_help=True, context_settings=_ANY_ID)
def show(key: KeyId, stack: StackName = None, region: Region = None, as_json: AsJson = False) -> None:
    """Show one key: its app, whether it is blocked, and Apple's risk metric."""
    status, answer = KeyBlocking.of(find_deployment(stack, region, project_layout())).show(key)
    if as_json:
        print_json({**status.to_record(), "risk": answer.get("risk")})
        return
    facts = (
        ("app", status.app),
        ("state", _state(status)),
        ("reason", status.reason),
        ("blocked by", status.blocked_by),
        ("enrolled", moment(status.enrolled_at)),
        ("last seen", moment(status.last_seen)),
        ("forgotten", "never, while it is blocked" if status.expires_at >= NEVER else moment(status.expires_at)),
        *_risk(answer.get("risk")),
    )
    table(("", status.key_id), ((what, said) for what, said in facts if said))


commands.command("list", no_args_is_help=True)(list_keys)


def _risk(risk: Mapping[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Apple's metric, when it was read, and when Apple is asked next."""
    if risk is None:
        return
    metric, before = risk["metric"], risk["earlier_metric"]
    told = "not read yet" if metric is None else f"{metric} keys of this app on the device within 30 days, about"
    yield "risk metric", told if before is None else f"{told}; {before} before"
    if risk["read_at"] is not None:
        yield "metric read", moment(risk["read_at"])
    if risk["asked_at"] is not None:
        yield "Apple asked", f"{moment(risk['asked_at'])}: {risk['outcome']}"
    yield "asked again", "not any more" if risk["due_at"] is None else moment(risk["due_at"])


def _state(status: KeyStatus) -> str:
    if status.state != "blocked":
        return status.state
    until = "for good" if status.blocked_until is None else f"until {moment(status.blocked_until)}"
    return f"blocked since {moment(status.blocked_at)}, {until}"


def _say(deployment: Deployment, status: KeyStatus, publication: Publication, begin: float, as_json: bool) -> None:
    sought = Sought(app=status.app, key_id=status.key_id, blocked=status.state == "blocked")
    holding = where_it_holds(deployment, sought, since=begin)
    if as_json:
        print_json({**status.to_record(), **publication.to_record(), **where_record(holding)})
        return
    out().print(f"{status.key_id} of {status.app}: {_state(status)}.")
    out().print(str(publication))
    print_where(holding)
