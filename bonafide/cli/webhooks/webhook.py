"""``bonafide webhook``: where a team is told of incidents, what arrived, and what is sent once more."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any

import typer

from bonafide.cli.keys.device_key import duration
from bonafide.cli.outcome import Yes
from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, Region, StackName, command_group, moment, out, print_json, table
from bonafide.operator.admin_api import AdminApi
from bonafide.operator.deployment import find_deployment, require_stack_of_region
from bonafide.operator.errors import WrongUsage
from bonafide.webhooks.webhooks import Webhooks

commands = command_group("Webhooks: signed messages about incidents, after Standard Webhooks.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The webhook's name: lower-case letters, digits, dashes.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="The reason, for the audit.")]
Since = Annotated[str, typer.Option("--since", metavar="SPAN", help="How far back, as in 2h or 7d.")]


@commands.command(no_args_is_help=True)
def add(
    name: Name,
    url: Annotated[
        str, typer.Argument(metavar="URL", help="Where to: https. - reads it from a pipe, as paths may be secrets.")
    ],
    app: Annotated[
        list[str] | None, typer.Option("--app", metavar="APP", help="Only of this app's incidents; may be repeated.")
    ] = None,
    reason: Reason = "",
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Add a webhook. Its secret is shown once: give it to the receiver."""
    address = sys.stdin.read(4096).strip() if url == "-" else url
    _say(_webhooks(stack, region).add(name, address, apps=app or (), why=reason), "Added", as_json)


@commands.command("list")
def list_webhooks(stack: StackName = None, region: Region = None, as_json: AsJson = False) -> None:
    """List webhooks: never a secret, and addresses without their paths."""
    found = _webhooks(stack, region).all()["webhooks"]
    if as_json:
        print_json(found)
        return
    rows = (
        (one["name"], one["url"], ", ".join(one["apps"]) or "all", _state(one), one["by"], moment(one["at"]))
        for one in found
    )
    table(("name", "url", "apps", "state", "by", "since"), rows)


@commands.command(no_args_is_help=True)
def remove(
    name: Name,
    yes: Yes = False,
    reason: Reason = "",
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Forget a webhook. What still waits for it is not sent."""
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Remove {name}? It is told of no incident any more", abort=True)
    _say(_webhooks(stack, region).change(name, "remove", why=reason), "Removed", as_json)


@commands.command(no_args_is_help=True)
def rotate(
    name: Name, reason: Reason = "", stack: StackName = None, region: Region = None, as_json: AsJson = False
) -> None:
    """Give a webhook a new secret, shown once. For a day messages are signed with both."""
    _say(_webhooks(stack, region).change(name, "rotate", why=reason), "Rotated", as_json)


@commands.command(no_args_is_help=True)
def enable(
    name: Name, reason: Reason = "", stack: StackName = None, region: Region = None, as_json: AsJson = False
) -> None:
    """Tell a webhook again that was disabled because its receiver answered 410."""
    _say(_webhooks(stack, region).change(name, "enable", why=reason), "Enabled", as_json)


@commands.command("test", no_args_is_help=True)
def try_webhook(
    name: Name, reason: Reason = "", stack: StackName = None, region: Region = None, as_json: AsJson = False
) -> None:
    """Send a webhook a message that says only that it is one."""
    answer = _webhooks(stack, region).change(name, "test", why=reason)
    if as_json:
        print_json(answer)
        return
    out().print(f"Sent {answer['event']}. Whether it arrived:")
    out().print(f"bonafide webhook deliveries {name} --since 10m")


@commands.command(no_args_is_help=True)
def deliveries(
    name: Name, since: Since = "24h", stack: StackName = None, region: Region = None, as_json: AsJson = False
) -> None:
    """List what was sent to a webhook, for thirty days back, and what became of it."""
    now = time.time()
    found = _webhooks(stack, region).deliveries(name, now - duration(since), now + 60)
    if as_json:
        print_json(found)
        return
    rows = (
        (moment(one["at"]), one["event"], one["type"], one["state"], str(one["attempts"]), one["outcome"] or "—")
        for one in found
    )
    table(("event of", "id", "type", "state", "attempts", "outcome"), rows)


@commands.command(no_args_is_help=True)
def replay(
    name: Name,
    since: Annotated[
        str | None, typer.Option("--since", metavar="SPAN", help="What was missed since then, as in 2h or 7d.")
    ] = None,
    event: Annotated[
        str | None, typer.Option("--event", metavar="ID", help="This one, even if it arrived: evt_ and 32 digits.")
    ] = None,
    reason: Reason = "",
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Send again what a webhook missed, by time or id. Ids stay the same, so a receiver can tell what it has."""
    require_stack_of_region(stack, region)
    if (since is None) is (event is None):
        raise WrongUsage("Give one of --since and --event.")
    asked: dict[str, object] = {"event": event} if since is None else {"since": time.time() - duration(since)}
    replayed = _webhooks(stack, region).replay(name, asked, why=reason)
    if as_json:
        print_json(replayed)
        return
    out().print(f"Sent again: {len(replayed)} event{'' if len(replayed) == 1 else 's'}.")


def _webhooks(stack: str | None, region: str | None) -> Webhooks:
    return Webhooks(AdminApi(find_deployment(stack, region, project_layout())))


def _state(webhook: dict[str, Any]) -> str:
    return f"{webhook['state']}: {webhook['because']}" if webhook["because"] else str(webhook["state"])


def _say(webhook: dict[str, Any], done: str, as_json: bool) -> None:
    if as_json:
        print_json(webhook)
        return
    out().print(f"{done} {webhook['name']}: {webhook['url']}")
    if "secret" in webhook:
        out().print("Its secret, shown this once:")
        out().print(webhook["secret"], soft_wrap=True)
    if webhook["former_secret_until"] and done == "Rotated":
        out().print(f"Messages are signed with the former one, too, until {moment(webhook['former_secret_until'])}.")
