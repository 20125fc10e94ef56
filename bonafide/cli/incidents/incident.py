"""``bonafide incident``: what detectors found, and closing it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from bonafide.cli.keys.device_key import duration
from bonafide.cli.outcome import AppOption, Yes
from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, Region, StackName, command_group, moment, out, print_json, table
from bonafide.operator.admin_api import AdminApi, segment
from bonafide.operator.deployment import find_deployment

commands = command_group("Incidents: what detectors found in many decisions.")

Id = Annotated[str, typer.Argument(metavar="ID", help="The incident, as `list` names it.")]


@commands.command("list", no_args_is_help=True)
def list_incidents(
    app: AppOption,
    everything: Annotated[bool, typer.Option("--all", help="Also those that ended or were closed.")] = False,
    since: Annotated[
        str | None, typer.Option("--since", metavar="SPAN", help="Opened in this span, as in 24h or 7d.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=100, help="How many at most.")] = 50,
    before: Annotated[
        str | None, typer.Option("--before", metavar="NEXT", help="Go on before the last one of an earlier list.")
    ] = None,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """List the incidents of an app that are open, and those of all apps, the newest first."""
    asked: dict[str, object] = {"state": "all" if everything else "open", "limit": limit}
    if since is not None:
        asked["since"] = max(1, int(time.time() - duration(since)))
    if before is not None:
        asked["before"] = before
    answer = _api(stack, region).call("GET", f"{_path(app)}?{urlencode(asked)}")
    if as_json:
        print_json(answer)
        return
    incidents = answer["incidents"]
    if not incidents:
        out().print("No incident." if everything else "No incident is open.")
        return
    table(("opened", "id", "state", "what"), (_row(incident) for incident in incidents))
    if answer["next"] is not None:
        out().print(f"There are more: go on with --before {answer['next']}")


@commands.command(no_args_is_help=True)
def show(incident: Id, app: AppOption, stack: StackName = None, region: Region = None, as_json: AsJson = False) -> None:
    """Show an incident: what, since when, whom, how sure, and what to do."""
    found = _api(stack, region).call("GET", _path(app, incident))
    if as_json:
        print_json(found)
        return
    table(("", f"Incident {found['id']}"), _facts(found))
    if found["keys"]:
        out().print("")
        table(("keys",), ((key,) for key in found["keys"]))
    remedy = found["remedy"]
    out().print(f"\nWhat to do: {remedy['text']}")
    if remedy["rule"]:
        out().print(f"\n{remedy['rule']}")
    if remedy["command"]:
        out().print(f"\n{remedy['command']}")


@commands.command(no_args_is_help=True)
def close(
    incident: Id,
    app: AppOption,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="The reason, for the audit.")],
    yes: Yes = False,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Close an incident that is understood. The same finding opens none again for a day.

    One of all apps is closed with --app -.
    """
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Close {incident} of {app}? Policies see it no more", abort=True)
    found = _api(stack, region).call("POST", _path(app, incident, "close"), {"reason": reason})
    if as_json:
        print_json(found)
        return
    out().print(
        f"Closed {found['id']}. The same finding opens an incident again from {moment(found['reopens_at'])} on."
    )


def _api(stack: str | None, region: str | None) -> AdminApi:
    return AdminApi(find_deployment(stack, region, project_layout()))


def _path(app: str, *parts: str) -> str:
    return "/".join((f"/admin/apps/{segment(app)}/incidents", *(segment(part) for part in parts)))


def _row(incident: Mapping[str, Any]) -> tuple[str, ...]:
    where = " (all apps)" if incident["app"] == "-" else ""
    return moment(incident["opened_at"]), incident["id"], incident["state"], f"{incident['title']}{where}"


def _facts(incident: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    closed = incident["closed"]
    yield "what", incident["title"]
    yield "state", incident["state"]
    yield "app", "all apps" if incident["app"] == "-" else incident["app"]
    yield "since", moment(incident["since"])
    yield "latest", moment(incident["last"])
    yield "opened", moment(incident["opened_at"])
    if incident["ended_at"] is not None:
        yield "ended", moment(incident["ended_at"])
    if closed is not None:
        yield "closed", f"by {closed['by']}: {closed['reason']}"
    yield "how sure", f"{100 * incident['confidence']:.0f} %"
    for sentence in incident["because"]:
        yield "because", sentence
    for name, number in incident["counts"].items():
        yield name, f"{number:,}"
    for name, value in incident["named"].items():
        yield name, value
    if incident["own_signer_share"] is not None:
        yield "own signer", f"{100 * incident['own_signer_share']:.1f} % of them, as hardware attests"
    yield "policies may", _MAY[incident["scope"]]


_MAY = {
    "key": "lower the trust of its keys",
    "batch": "warn of its batch",
    "network": "warn of its network",
    "population": "not look at it: it names no key",
}
