"""``bonafide app``: register apps and look at what is registered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from bonafide.artefacts.artefact import Artefact
from bonafide.artefacts.reading import read_artefact
from bonafide.artefacts.registration import build_of_artefact
from bonafide.cli.app.builds import AppName, builds, confirm_minimum_builds, read_minimum, retire_build
from bonafide.cli.app.new_identity import with_seen_artefact
from bonafide.cli.outcome import Yes
from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, Region, StackName, command_group, moment, out, print_json, table
from bonafide.operator.admin_api import AdminApi
from bonafide.operator.deployment import Deployment, find_deployment
from bonafide.operator.known_builds import RegisteredBuilds
from bonafide.operator.registration import RegisteredApps, Registration, digest_text

commands = command_group("Register apps and show what is registered.")

_Texts = list[str] | None


@commands.command(no_args_is_help=True)
def register(
    name: AppName,
    artefacts: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="A built app (.apk, .ipa, .hap) to read identity and baseline from; again for more.",
        ),
    ] = None,
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
    play_expected: Annotated[
        bool | None,
        typer.Option(
            "--play-expected/--no-play-expected",
            help="Whether the Android app sends Play Integrity tokens: a key without a fresh one is then a warning.",
        ),
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
        typer.Option(
            "--minimum-build", metavar="PLATFORM=BUILD", help="Oldest build accepted, as in android=42 or ios=1.9."
        ),
    ] = None,
    unknown_builds: Annotated[
        str | None,
        typer.Option("--unknown-builds", metavar="allow|warn|refuse", help="How a build that is not known is judged."),
    ] = None,
    harmony_profile_signer: Annotated[
        _Texts,
        typer.Option(
            "--harmony-profile-signer",
            metavar="SHA256",
            help="A certificate that may sign the profile of a .hap besides AppGallery's; in hex.",
        ),
    ] = None,
    new_identity: Annotated[
        bool,
        typer.Option(
            "--new-identity", help="Show what of --from is not registered yet (package, app id, signer), and ask."
        ),
    ] = False,
    accept_identity: Annotated[
        _Texts,
        typer.Option(
            "--accept-identity",
            metavar="VALUE",
            help="For machines: take this package, app id or signer of --from, and nothing else that is new.",
        ),
    ] = None,
    no_baseline: Annotated[
        bool, typer.Option("--no-baseline", help="Take only the identity of --from, not its baseline.")
    ] = False,
    yes: Yes = False,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Register an app, or change one that is registered.

    Each option that is given replaces what stood of it; what --from reads is added to what stands.
    A minimum build that is raised asks first, and shows whom it locks out by recorded decisions.
    """
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
        changes["minimum_builds"] = dict(map(read_minimum, minimum_build))
    if unknown_builds:
        changes["unknown_builds"] = unknown_builds
    if play_expected is not None:
        changes["play_expected"] = play_expected
    if not changes and not artefacts:
        raise typer.BadParameter("say at least one thing about the app.", param_hint="NAME")
    replace(Registration(app=name), **changes).check_values()
    trusted = _digests(harmony_profile_signer)
    built = [(path, read_artefact(path, profile_signers=trusted)) for path in artefacts or ()]

    deployment = find_deployment(stack, region, project_layout())
    registrations = _registrations(deployment)
    stood = registrations.find(name)
    wanted = stood or Registration(app=name)
    if minimum_build:
        changes["minimum_builds"] = {**wanted.minimum_builds, **changes["minimum_builds"]}
    wanted = replace(wanted, **changes)
    for _, artefact in built:
        wanted = with_seen_artefact(wanted, artefact, ask=new_identity, accepted=accept_identity or ())
    if stood is not None:
        confirm_minimum_builds(deployment, name, stood=stood.minimum_builds, wanted=wanted.minimum_builds, yes=yes)
    stands = registrations.put(wanted)
    if not no_baseline:
        for _, artefact in built:
            RegisteredBuilds(AdminApi(deployment)).put(name, build_of_artefact(artefact))
    if as_json:
        read = [{"file": path.name, **artefact.to_record()} for path, artefact in built]
        print_json({**stands.to_record(), **({"artefacts": read} if read else {})})
    else:
        out().print(f"{'Updated' if stood else 'Registered'} {stands.app}: {', '.join(_identities(stands))}")
        for path, artefact in built:
            _say_what_was_read(path, artefact, no_baseline)


@commands.command("list")
def list_apps(stack: StackName = None, region: Region = None, as_json: AsJson = False) -> None:
    """List every registered app."""
    registrations = _registrations(find_deployment(stack, region, project_layout())).list()
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
    registration = _registrations(find_deployment(stack, region, project_layout())).get(name)
    if as_json:
        print_json(registration.to_record())
    else:
        table(("", registration.app), ((what, said) for what, said in _facts(registration) if said))


commands.command()(builds)
commands.command(no_args_is_help=True)(retire_build)


def _facts(r: Registration) -> tuple[tuple[str, str], ...]:
    lines = "\n".join
    return (
        ("Apple app ids", lines(r.apple_app_ids)),
        ("Apple environments", ", ".join(r.apple_environments) if r.apple_app_ids else ""),
        ("Android packages", lines(r.android_packages)),
        ("Android signers", lines(r.android_signing_digests)),
        ("verified boot keys", lines(r.android_verified_boot_keys)),
        ("Play Integrity", "expected" if r.play_expected else "not expected"),
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


def _say_what_was_read(path: Path, artefact: Artefact, no_baseline: bool) -> None:
    version = f" ({artefact.version_name})" if artefact.version_name else ""
    known = "baseline not taken" if no_baseline else f"known build of {len(artefact.parts)} parts"
    out().print(f"{path.name}: {artefact.name}, {artefact.platform} build {artefact.build}{version}, {known}")
    for signer in artefact.signers:
        out().print(f"  {signer.digest}  {signer.role}")
    for remark in artefact.remarks:
        out().print(f"  {remark}")


def _registrations(deployment: Deployment) -> RegisteredApps:
    return RegisteredApps(AdminApi(deployment))
