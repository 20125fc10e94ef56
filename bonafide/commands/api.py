"""``bonafide api``: what each route of an API asks for, and who would be refused."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Annotated

import typer

from bonafide.deployment import find_deployment
from bonafide.guarded_apis import GuardedApi, GuardedApis
from bonafide.operator_error import OperatorError
from bonafide.publication import publication_of
from bonafide.request_report import CLASSES, RouteReport, deployed_decisions, local_decisions, report
from bonafide.route_list import Place, Routes, hidden, new_route, placed, read_route, removed

from .key import duration
from .project import project_layout
from .terminal import AsJson, Region, StackName, command_group, moment, out, print_json, table

commands = command_group("Set what each route of an API asks for, and see who would fail.")

Audience = Annotated[str, typer.Argument(metavar="AUDIENCE", help="The API, as tokens name it.")]


@commands.command(no_args_is_help=True)
def mode(
    audience: Audience,
    route: Annotated[str, typer.Argument(metavar="ROUTE", help="Method and path pattern, as in 'POST /payments/*'.")],
    requirement: Annotated[
        str | None, typer.Argument(metavar="MODE", help="off, monitor, token, proof or proof-once.")
    ] = None,
    tier: Annotated[
        str | None, typer.Option("--tier", metavar="TIER", help="Lowest tier that may pass: warning or affirming.")
    ] = None,
    first: Annotated[bool, typer.Option("--first", help="Put it before all others.")] = False,
    last: Annotated[bool, typer.Option("--last", help="Put it after all others.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take the route off the list instead.")] = False,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Set what a route asks for. The first route that matches a request decides; relying parties know within seconds.

    A route that is new comes before the first that would hide it; one that is known stays in its place.
    """
    if first + last + remove > 1:
        raise typer.BadParameter("--first, --last and --remove exclude each other.")
    if remove == (requirement is not None) or (remove and tier is not None):
        raise typer.BadParameter("say a mode, or --remove alone.", param_hint="MODE")
    method, path = read_route(route)

    def edit(routes: Routes) -> Routes:
        if requirement is None:
            return removed(routes, method, path)
        place = Place.FIRST if first else Place.LAST if last else Place.FITTING
        return placed(routes, new_route(method, path, requirement, tier), place)

    begin = time.monotonic()
    deployment = find_deployment(stack, region, project_layout())
    api, answer = GuardedApis.of(deployment).change(audience, edit)
    publication = publication_of(deployment, answer, since=begin)
    if as_json:
        print_json({**api.to_record(), **publication.to_record()})
    else:
        _print(api)
        out().print(str(publication))


@commands.command("list")
def list_apis(stack: StackName = None, region: Region = None, as_json: AsJson = False) -> None:
    """List every API that the trust bundle has routes for."""
    apis = GuardedApis.of(find_deployment(stack, region, project_layout())).list()
    if as_json:
        print_json([api.to_record() for api in apis])
    else:
        table(("audience", "routes", "changed", "by"), ((a.audience, str(len(a.routes)), *_changed(a)) for a in apis))


@commands.command(no_args_is_help=True)
def show(audience: Audience, stack: StackName = None, region: Region = None, as_json: AsJson = False) -> None:
    """Show an API's routes in order."""
    api = GuardedApis.of(find_deployment(stack, region, project_layout())).find(audience)
    if api is None:
        raise OperatorError(f"No routes are set for {audience}: its authorizer's own default counts for all of them.")
    if as_json:
        print_json(api.to_record())
    else:
        _print(api)


@commands.command("report")
def report_requests(
    audience: Annotated[str | None, typer.Option("--audience", metavar="TEXT", help="One API only.")] = None,
    since: Annotated[str, typer.Option("--since", metavar="SPAN", help="How far back, as in 30m, 24h or 7d.")] = "24h",
    log_group: Annotated[
        list[str] | None,
        typer.Option("--log-group", metavar="NAME", help="Log group of another stack's authorizer; may repeat."),
    ] = None,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Count requests per route and class: who gets in, and who passes now but would not once the route is enforced."""
    begin = time.time() - duration(since)
    layout = project_layout()
    deployment = find_deployment(stack, region, layout)
    if deployment.is_local:
        decisions = local_decisions([layout.logs, *layout.local.glob("*/logs")])
    else:
        groups = [deployment.log_groups[-1], *(log_group or ())]
        decisions = deployed_decisions(deployment.aws("logs"), groups, since=begin)
    routes = report(decisions, audience=audience, since=begin)
    if as_json:
        print_json([route.to_record() for route in routes])
        return
    names = (*CLASSES, *(["unchecked"] if any(route.classes["unchecked"] for route in routes) else ()))
    columns = ("audience", "method", "route", "asks for", *names, "would be refused")
    table(columns, (_counts(route, names) for route in routes))


def _counts(route: RouteReport, names: Sequence[str]) -> tuple[str, ...]:
    counts = (str(route.classes[name] or "·") for name in names)
    refused = str(route.would_be_refused) if "monitor" in route.modes else ""
    return (route.audience, route.method, route.route, "/".join(sorted(route.modes)), *counts, refused)


def _print(api: GuardedApi) -> None:
    table(("", "method", "path", "asks for", "tier", ""), _rows(api), title=f"{api.audience}, first match decides")
    if not api.routes:
        out().print("No routes: the authorizer's own default counts for all of them.")


def _rows(api: GuardedApi) -> Iterator[tuple[str, ...]]:
    shadows = hidden(api.routes)
    for number, route in enumerate(api.routes, start=1):
        above = shadows.get(route)
        note = f"never reached: {above.method} {above.path} above takes all of it" if above else ""
        yield str(number), route.method, route.path, route.requirement.value, route.minimum_tier or "", note


def _changed(api: GuardedApi) -> tuple[str, str]:
    return moment(api.updated_at), api.updated_by or "the stack's parameter"
