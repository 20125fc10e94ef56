"""``bonafide app``: register apps and look at what is registered."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from bonafide.deployment import find_deployment
from bonafide.operator_error import OperatorError
from bonafide.registration import Registration, Registrations, digest_text

from .project import project_layout
from .terminal import AsJson, Region, StackName, moment, out, print_json, table

commands = typer.Typer(no_args_is_help=True, help="Register apps and show what is registered.")

AppName = Annotated[str, typer.Argument(metavar="NAME", help="The app's name, as its requests will say it.")]
_Texts = list[str] | None


@commands.command(no_args_is_help=True)
def register(
    name: AppName,
    apple_app_id: Annotated[
        _Texts, typer.Option("--apple-app-id", metavar="TEAM.BUNDLE", help="Full app id; give it again for more.")
    ] = None,
    environment: Annotated[
        _Texts,
        typer.Option(
            "--environment", metavar="NAME", help="Environment whose keys may enrol: production (default), development."
        ),
    ] = None,
    android_package: Annotated[_Texts, typer.Option("--android-package", metavar="ID", help="Application id.")] = None,
    android_signer: Annotated[
        _Texts, typer.Option("--android-signer", metavar="SHA256", help="SHA-256 of a signing certificate, in hex.")
    ] = None,
    verified_boot_key: Annotated[
        _Texts,
        typer.Option("--verified-boot-key", metavar="HEX", help="Boot key of another system to trust (GrapheneOS …)."),
    ] = None,
    harmony_bundle: Annotated[_Texts, typer.Option("--harmony-bundle", metavar="NAME", help="Bundle name.")] = None,
    harmony_app_id: Annotated[
        _Texts, typer.Option("--harmony-app-id", metavar="ID", help="App id: <bundle>_<key>, or AppGallery's number.")
    ] = None,
    harmony_app_identifier: Annotated[
        _Texts, typer.Option("--harmony-app-identifier", metavar="NUMBER", help="appIdentifier (API 20).")
    ] = None,
    harmony_signer: Annotated[
        _Texts, typer.Option("--harmony-signer", metavar="SHA256", help="SHA-256 of a signing certificate, in hex.")
    ] = None,
    audience: Annotated[
        _Texts,
        typer.Option("--audience", metavar="TEXT", help="API that tokens are for; default: the stack's own."),
    ] = None,
    minimum_build: Annotated[
        _Texts,
        typer.Option("--minimum-build", metavar="PLATFORM=BUILD", help="Oldest build accepted, as in android=42."),
    ] = None,
    unknown_builds: Annotated[
        str | None,
        typer.Option("--unknown-builds", metavar="allow|warn|refuse", help="How a build that is not known is judged."),
    ] = None,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Register an app, or change one that is registered: each option that is given replaces what stood of it."""
    given = {
        "apple_app_ids": apple_app_id,
        "apple_environments": environment,
        "android_packages": android_package,
        "android_signing_digests": _digests(android_signer),
        "android_verified_boot_keys": _digests(verified_boot_key),
        "harmony_bundle_names": harmony_bundle,
        "harmony_app_ids": harmony_app_id,
        "harmony_app_identifiers": harmony_app_identifier,
        "harmony_signing_digests": _digests(harmony_signer),
        "audiences": audience,
    }
    changes: dict[str, Any] = {field: tuple(values) for field, values in given.items() if values}
    if minimum_build:
        changes["minimum_builds"] = dict(map(_pair, minimum_build))
    if unknown_builds:
        changes["unknown_builds"] = unknown_builds
    if not changes:
        raise typer.BadParameter("say at least one thing about the app.", param_hint="NAME")
    replace(Registration(app=name), **changes).check_values()

    registrations = _registrations(stack, region)
    stood = registrations.find(name)
    wanted = stood or Registration(app=name)
    if minimum_build:
        changes["minimum_builds"] = {**wanted.minimum_builds, **changes["minimum_builds"]}
    stands = registrations.put(replace(wanted, **changes))
    if as_json:
        print_json(stands.to_record())
    else:
        out().print(f"{'Updated' if stood else 'Registered'} {stands.app}: {', '.join(_identities(stands))}")


@commands.command("list")
def list_apps(stack: StackName = None, region: Region = None, as_json: AsJson = False) -> None:
    """List every registered app."""
    registrations = _registrations(stack, region).list()
    if as_json:
        print_json([registration.to_record() for registration in registrations])
    else:
        table(
            ("app", "platforms", "identities", "updated"),
            ((r.app, ", ".join(r.platforms), "\n".join(_identities(r)), moment(r.updated_at)) for r in registrations),
        )


@commands.command()
def show(name: AppName, stack: StackName = None, region: Region = None, as_json: AsJson = False) -> None:
    """Show one registered app."""
    registration = _registrations(stack, region).get(name)
    if as_json:
        print_json(registration.to_record())
    else:
        table(("", registration.app), ((what, said) for what, said in _facts(registration) if said))


def _facts(r: Registration) -> tuple[tuple[str, str], ...]:
    lines = "\n".join
    return (
        ("Apple app ids", lines(r.apple_app_ids)),
        ("Apple environments", ", ".join(r.apple_environments) if r.apple_app_ids else ""),
        ("Android packages", lines(r.android_packages)),
        ("Android signers", lines(r.android_signing_digests)),
        ("verified boot keys", lines(r.android_verified_boot_keys)),
        ("HarmonyOS bundles", lines(r.harmony_bundle_names)),
        ("HarmonyOS app ids", lines(r.harmony_app_ids)),
        ("HarmonyOS app identifiers", lines(r.harmony_app_identifiers)),
        ("HarmonyOS signers", lines(r.harmony_signing_digests)),
        ("audiences", ", ".join(r.audiences) or "the stack's own"),
        ("minimum builds", ", ".join(f"{platform} {build}" for platform, build in r.minimum_builds.items())),
        ("unknown builds", r.unknown_builds),
        ("registered", moment(r.created_at)),
        ("updated", moment(r.updated_at)),
    )


def _identities(r: Registration) -> tuple[str, ...]:
    return (*r.apple_app_ids, *r.android_packages, *r.harmony_bundle_names)


def _digests(texts: _Texts) -> list[str]:
    return [digest_text(text) for text in texts or ()]


def _pair(text: str) -> tuple[str, str]:
    platform, _, build = text.partition("=")
    if not build:
        raise OperatorError(f"{text!r} is not a minimum build, as in android=42 or apple=1.2.3.")
    return platform, build


def _registrations(stack: str | None, region: str | None) -> Registrations:
    deployment = find_deployment(stack, region, project_layout())
    return Registrations(deployment.aws("dynamodb"), deployment.tables["apps"])
