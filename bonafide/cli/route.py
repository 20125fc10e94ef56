"""``bonafide route``: what each route of an API asks for, and who would be refused."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated

import typer
from bonafide_tokens.new_routes import REBUILT
from bonafide_tokens.routes import Requirement

from bonafide.cli.keys.device_key import duration
from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, Region, StackName, command_group, err, moment, out, print_json, table
from bonafide.operator.deployment import Deployment, find_deployment
from bonafide.operator.errors import OperatorError, sentence_of
from bonafide.operator.layout import Layout
from bonafide.operator.publication import publication_of
from bonafide.operator.registration import RegisteredApps
from bonafide.routes.gate_limits import cache_warnings, require_known_audience, require_rebuilt, require_table
from bonafide.routes.guarded_apis import GuardedApi, GuardedApis
from bonafide.routes.request_report import (
    CLASSES,
    DecisionLine,
    RouteReport,
    deployed_decisions,
    local_decisions,
    report,
)
from bonafide.routes.route_coverage import Covered, asked_now, covered, in_time
from bonafide.routes.route_list import Place, Routes, hidden, new_route, placed, read_route, removed

commands = command_group("Set what each route of an API requires, and see which requests would be refused.")

Since = Annotated[str, typer.Option("--since", metavar="SPAN", help="How far back, as in 30m, 24h or 7d.")]
LogGroups = Annotated[
    list[str] | None,
    typer.Option("--log-group", metavar="NAME", help="Log group of another stack's authorizer; may repeat."),
]
Audience = Annotated[str, typer.Argument(metavar="AUDIENCE", help="The API, as tokens name it.")]


@commands.command("set", no_args_is_help=True)
def set_route(
    audience: Audience,
    route: Annotated[str, typer.Argument(metavar="ROUTE", help="Method and path pattern, as in 'POST /payments/*'.")],
    requirement: Annotated[
        str | None, typer.Argument(metavar="MODE", help="One of: " + ", ".join(Requirement) + ".")
    ] = None,
    tier: Annotated[
        str | None, typer.Option("--tier", metavar="TIER", help="Lowest tier that may pass: warning or affirming.")
    ] = None,
    sign: Annotated[
        list[str] | None,
        typer.Option("--sign", metavar="NAME", help="What signatures must cover beyond the usual; may repeat."),
    ] = None,
    gateway: Annotated[
        str | None,
        typer.Option("--gateway", metavar="KIND", help="What the API is behind: rest, http, websocket, backend."),
    ] = None,
    first: Annotated[bool, typer.Option("--first", help="Put it before all others.")] = False,
    last: Annotated[bool, typer.Option("--last", help="Put it after all others.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove the route from the list.")] = False,
    new: Annotated[bool, typer.Option("--new", help="Accept an audience that no app is registered for yet.")] = False,
    gate_has_table: Annotated[
        bool, typer.Option("--gate-has-table", help="The API's authorizer has a table, so that it can do proof-once.")
    ] = False,
    preview: Annotated[bool, typer.Option("--preview", help="Show the result, and change nothing.")] = False,
    since: Since = "24h",
    log_group: LogGroups = None,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Set what a route requires. The first route that matches a request decides; it takes effect within seconds.

    API Gateway's {name} and {name+} are understood. A new route comes before the first that would hide it; a known
    route keeps its place. Shows the recorded requests that it covers.
    """
    if first + last + remove > 1:
        raise typer.BadParameter("--first, --last and --remove exclude each other.")
    if gateway is not None and gateway not in REBUILT:
        raise typer.BadParameter(f"one of {', '.join(REBUILT)}.", param_hint="--gateway")
    if remove == (requirement is not None) or (remove and (tier is not None or sign)):
        raise typer.BadParameter("name a mode, or --remove alone.", param_hint="MODE")
    method, path = read_route(route, new=not remove)

    def edit(routes: Routes) -> Routes:
        if requirement is None:
            return removed(routes, method, path)
        place = Place.FIRST if first else Place.LAST if last else Place.FITTING
        return placed(routes, new_route(method, path, requirement, tier, sign or ()), place)

    seconds = duration(since)
    layout = project_layout()
    deployment = find_deployment(stack, region, layout)
    apis = GuardedApis.of(deployment)
    if not remove:
        require_table(deployment, audience, requirement, said=gate_has_table)
        if not new:
            require_known_audience(deployment, audience, apis, RegisteredApps(apis.api))
    recorded, warnings = ([], []) if remove else _recorded(deployment, layout, log_group, audience, seconds)
    begin = time.monotonic()
    if preview:
        stood = apis.find(audience) or GuardedApi(audience=audience, routes=())
        api, publication = replace(stood, routes=edit(stood.routes), gateway=gateway or stood.gateway), None
        require_rebuilt(api)
    else:
        api, answer = apis.change(audience, edit, gateway)
        publication = publication_of(deployment, answer, since=begin)
    covers = covered(api.routes, method, path, recorded)
    if not (remove or covers or warnings):
        warnings.append(
            f"{method} {path} covers no request that was recorded for {audience} in the last {since}. `bonafide route "
            "report` lists the routes that have any, as they can be set."
        )
    warnings += cache_warnings(deployment, audience, api.routes)
    if as_json:
        published = {"preview": True} if publication is None else publication.to_record()
        print_json({**api.to_record(), **published, "covers": [o.to_record() for o in covers], "warnings": warnings})
        return
    _print(api)
    if covers:
        columns = ("method", "route", "requests", "would be refused", "covers")
        title = f"What {method} {path} covers, of the last {since}"
        table(columns, (_coverage(one) for one in covers), title=title)
    out().print("Nothing was changed." if publication is None else str(publication))
    _warn(warnings)


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
    deployment = find_deployment(stack, region, project_layout())
    api = GuardedApis.of(deployment).find(audience)
    if api is None:
        raise OperatorError(f"No routes are set for {audience}: its authorizer's own default counts for all of them.")
    if as_json:
        print_json(api.to_record())
    else:
        _print(api)
        _warn(cache_warnings(deployment, audience, api.routes))


@commands.command("report")
def report_requests(
    audience: Annotated[str | None, typer.Option("--audience", metavar="TEXT", help="One API only.")] = None,
    since: Since = "24h",
    log_group: LogGroups = None,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Count requests per route and class: accepted, and accepted now but refused once the route is enforced.

    Authorizers count, and note only of some requests what their route asked for: else it is what it asks for now.
    """
    begin = time.time() - duration(since)
    layout = project_layout()
    deployment = find_deployment(stack, region, layout)
    routes = report(_decisions(deployment, layout, log_group, since=begin), audience=audience, since=begin)
    _note_what_is_asked(routes, GuardedApis.of(deployment))
    if as_json:
        print_json([route.to_record() for route in routes])
        return
    names = (*CLASSES, *(["unchecked"] if any(route.classes["unchecked"] for route in routes) else ()))
    columns = ("audience", "method", "route", "asks for", *names, "would be refused")
    table(columns, (_counts(route, names) for route in routes))


def _note_what_is_asked(routes: Sequence[RouteReport], apis: GuardedApis) -> None:
    if all(route.modes for route in routes):
        return
    try:
        lists = {api.audience: api.routes for api in apis.list()}
    except OperatorError as error:
        _warn([f"What the routes ask for is not known. {error}"])
        return
    for route in routes:
        route.modes |= set() if route.modes else asked_now(lists.get(route.audience, ()), route)


def _decisions(
    deployment: Deployment, layout: Layout, log_groups: Sequence[str] | None, *, since: float
) -> Iterator[DecisionLine]:
    if deployment.is_local:
        return local_decisions([layout.logs, *layout.local.glob("*/logs")])
    groups = [deployment.log_groups[-1], *(log_groups or ())]
    return deployed_decisions(deployment.aws("logs"), groups, since=since)


def _recorded(
    deployment: Deployment, layout: Layout, log_groups: Sequence[str] | None, audience: str, seconds: float
) -> tuple[list[RouteReport], list[str]]:
    """Recorded requests of an API, and a warning where they cannot be read: that stops no change."""
    begin = time.time() - seconds
    try:
        decisions = in_time(_decisions(deployment, layout, log_groups, since=begin))
        return report(decisions, audience=audience, since=begin), []
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        return [], [f"Recorded requests could not be read. {sentence}"]


def _coverage(one: Covered) -> tuple[str, ...]:
    seen = one.requests
    return seen.method, seen.route, str(seen.total), str(seen.would_be_refused), "all" if one.all else "some"


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings:
        err().print(f"Warning: {warning}")


def _counts(route: RouteReport, names: Sequence[str]) -> tuple[str, ...]:
    counts = (str(route.classes[name] or "·") for name in names)
    refused = str(route.would_be_refused) if "monitor" in route.modes else ""
    return (route.audience, route.method, route.route or "not told", "/".join(sorted(route.modes)), *counts, refused)


def _print(api: GuardedApi) -> None:
    table(("", "method", "path", "asks for", "tier", ""), _rows(api), title=f"{api.audience}, first match decides")
    if not api.routes:
        out().print("No routes: the authorizer's own default counts for all of them.")


def _rows(api: GuardedApi) -> Iterator[tuple[str, ...]]:
    shadows = hidden(api.routes)
    for number, route in enumerate(api.routes, start=1):
        above = shadows.get(route)
        note = f"never reached: {above.method} {above.path} above takes all of it" if above else ""
        asks = " ".join((route.requirement, *route.components))
        yield str(number), route.method, route.path, asks, route.minimum_tier or "", note


def _changed(api: GuardedApi) -> tuple[str, str]:
    return moment(api.updated_at), api.updated_by or "the stack's parameter"
