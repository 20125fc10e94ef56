"""``bonafide app``: register apps and look at what is registered."""

from __future__ import annotations

from typing import Annotated

import typer

from bonafide.deployment import find_deployment
from bonafide.registration import Registration, Registrations

from .project import project_layout
from .terminal import AsJson, Region, StackName, moment, out, print_json, table

commands = typer.Typer(no_args_is_help=True, help="Register apps and show what is registered.")

AppName = Annotated[str, typer.Argument(metavar="NAME", help="The app's name, as its requests will say it.")]


@commands.command()
def register(
    name: AppName,
    apple_app_id: Annotated[
        list[str], typer.Option("--apple-app-id", metavar="TEAM.BUNDLE", help="Full app id; give it again for more.")
    ],
    environment: Annotated[
        list[str] | None,
        typer.Option(
            "--environment", metavar="NAME", help="Environment whose keys may enrol: production (default), development."
        ),
    ] = None,
    audience: Annotated[
        list[str] | None,
        typer.Option("--audience", metavar="TEXT", help="API that tokens are for; default: the stack's own."),
    ] = None,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Register an app, or change one that is registered: what is given replaces what stood."""
    wanted = Registration(
        app=name,
        apple_app_ids=tuple(apple_app_id),
        apple_environments=tuple(environment or ["production"]),
        audiences=tuple(audience or []),
    )
    wanted.check()
    stands = _registrations(stack, region).put(wanted)
    if as_json:
        print_json(stands.to_record())
    else:
        known = stands.created_at != stands.updated_at
        out().print(f"{'Updated' if known else 'Registered'} {stands.app}: {', '.join(stands.apple_app_ids)}")


@commands.command("list")
def list_apps(stack: StackName = None, region: Region = None, as_json: AsJson = False) -> None:
    """List every registered app."""
    registrations = _registrations(stack, region).list()
    if as_json:
        print_json([registration.to_record() for registration in registrations])
    else:
        table(
            ("app", "Apple app ids", "environments", "updated"),
            (
                (r.app, "\n".join(r.apple_app_ids), ", ".join(r.apple_environments), moment(r.updated_at))
                for r in registrations
            ),
        )


@commands.command()
def show(name: AppName, stack: StackName = None, region: Region = None, as_json: AsJson = False) -> None:
    """Show one registered app."""
    registration = _registrations(stack, region).get(name)
    if as_json:
        print_json(registration.to_record())
    else:
        table(
            ("", registration.app),
            (
                ("Apple app ids", "\n".join(registration.apple_app_ids)),
                ("Apple environments", ", ".join(registration.apple_environments)),
                ("audiences", ", ".join(registration.audiences) or "the stack's own"),
                ("registered", moment(registration.created_at)),
                ("updated", moment(registration.updated_at)),
            ),
        )


def _registrations(stack: str | None, region: str | None) -> Registrations:
    deployment = find_deployment(stack, region, project_layout())
    return Registrations(deployment.aws("dynamodb"), deployment.tables["apps"])
