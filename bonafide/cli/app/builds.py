"""``bonafide app builds`` and ``app retire-build``: which builds of an app are known, and which were withdrawn."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Annotated

import typer

from bonafide.cli.outcome import Yes, confirm
from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, Region, StackName, err, moment, out, print_json, table
from bonafide.operator.admin_api import AdminApi
from bonafide.operator.deployment import Deployment, find_deployment
from bonafide.operator.errors import OperatorError
from bonafide.operator.known_builds import Builds
from bonafide.operator.registration import PLATFORMS, RegisteredApps
from bonafide.operator.retired_builds import RetiredBuilds, is_retired
from bonafide.replay.lockout import SPAN, Refuses, below, lockout, platform_named, recorded

AppName = Annotated[str, typer.Argument(metavar="NAME", help="The app's name, as its requests will say it.")]
Platform = Annotated[
    str | None, typer.Option("--platform", metavar="NAME", help=f"One platform: {', '.join(PLATFORMS)}.")
]


def builds(
    name: AppName, platform: Platform = None, stack: StackName = None, region: Region = None, as_json: AsJson = False
) -> None:
    """List the known builds of an app, the newest first, and which were retired; --json has every part."""
    wanted = None if platform is None else read_platform(platform)
    deployment = find_deployment(stack, region, project_layout())
    RegisteredApps(AdminApi(deployment)).get(name)
    known = known_builds_of(deployment).list(name, wanted)
    retired = RetiredBuilds(AdminApi(deployment)).list(name)
    if as_json:
        print_json([{**one.to_record(), "retired": is_retired(retired, one.platform, one.build)} for one in known])
        return
    rows = [
        (
            one.platform,
            one.build,
            one.version_name or "—",
            str(len(one.parts)),
            moment(one.registered_at),
            "retired" if is_retired(retired, one.platform, one.build) else "",
        )
        for one in known
    ]
    there = {(one.platform, one.build) for one in known}
    rows += [
        (place, build, "—", "—", "—", "retired")
        for place, numbers in retired.items()
        for build in numbers
        if wanted in (None, place) and (place, build) not in there
    ]
    table(("platform", "build", "version", "parts", "registered", ""), rows)


def retire_build(
    name: AppName,
    build: Annotated[str, typer.Argument(metavar="BUILD", help="Its number, as `app builds` shows it.")],
    platform: Platform = None,
    undo: Annotated[bool, typer.Option("--undo", help="Let a retired build in again.")] = False,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="The reason, for the audit.")] = "",
    yes: Yes = False,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Refuse a build from now on: it enrols and renews nothing, whatever the policy says.

    Shows first how many keys that locks out, by recorded decisions, and asks. The change is in the audit.
    """
    deployment = find_deployment(stack, region, project_layout())
    retired = RetiredBuilds(AdminApi(deployment))
    place = read_platform(platform) if platform else _platform_of(deployment, retired, name, build)
    stands = is_retired(retired.list(name), place, build)
    if stands is not undo:
        raise OperatorError(
            f"Build {build} of {name} for {place} {'was retired already' if stands else 'is not retired'}."
        )
    if not undo:
        preview(deployment, name, lambda p, b: is_retired({place: [build]}, platform_named(p), b))
        confirm(f"Refuse build {build} of {name} for {place} from now on?", yes=yes)
    answer = retired.change(name, place, build, retired=not undo, reason=reason)
    if as_json:
        print_json(answer)
    else:
        said = "may enrol and renew again" if undo else "is retired: it enrols and renews nothing from now on"
        out().print(f"Build {build} of {name} for {place} {said}.")


def preview(deployment: Deployment, app: str, refuses: Refuses) -> None:
    """Say on standard error whom a rule about builds locks out."""
    now = time.time()
    decisions = recorded(deployment, project_layout(), since=now - SPAN, until=now)
    for line in lockout(app, decisions, refuses).lines():
        err().print(line)


def preview_client_policy(deployment: Deployment, app: str, *, stood: str, wanted: str) -> None:
    """Say whom minimum builds of a client policy lock out, where they are raised: the app itself ends for them."""
    before, after = _minimums_of(stood), _minimums_of(wanted)
    raised = {name: build for name, build in after.items() if build != before.get(name)}
    if raised:
        preview(deployment, app, below(raised))


def _minimums_of(client_policy: str) -> dict[str, str]:
    try:
        named = json.loads(client_policy or "{}").get("minimum_builds") or {}
        return {str(platform): str(build) for platform, build in named.items() if build is not None}
    except (ValueError, AttributeError):
        return {}  # linting says what is wrong with it


def confirm_minimum_builds(
    deployment: Deployment, app: str, *, stood: Mapping[str, str], wanted: Mapping[str, str], yes: bool
) -> None:
    """Where minimum builds are raised: say whom that locks out, and ask."""
    raised = {
        platform: build
        for platform, build in wanted.items()
        if platform not in stood or below({platform: build})(platform, stood[platform])
    }
    if not raised:
        return
    preview(deployment, app, below(raised))
    named = ", ".join(f"{platform} {build}" for platform, build in raised.items())
    confirm(f"Refuse builds of {app} older than {named}?", yes=yes)


def read_minimum(text: str) -> tuple[str, str]:
    """Platform and build of ``android=42``; ``ios`` is another word for ``apple``. Raises :class:`OperatorError`."""
    platform, _, build = text.partition("=")
    if not build:
        raise OperatorError(f"{text!r} is not a minimum build, as in android=42 or ios=1.2.3.")
    return read_platform(platform), build


def read_platform(text: str) -> str:
    """A platform as registrations name it. Raises :class:`OperatorError`."""
    named = platform_named(text)
    if named not in PLATFORMS:
        raise OperatorError(f"{text!r} is not a platform: {', '.join(PLATFORMS)} (ios is another word for apple).")
    return named


def known_builds_of(deployment: Deployment) -> Builds:
    """The builds table of a stack."""
    return Builds(deployment.aws("dynamodb"), deployment.tables["builds"])


def _platform_of(deployment: Deployment, retired: RetiredBuilds, app: str, build: str) -> str:
    numbers = [(known.platform, known.build) for known in known_builds_of(deployment).list(app)]
    numbers += [(place, number) for place, several in retired.list(app).items() for number in several]
    there = list(dict.fromkeys(place for place, number in numbers if is_retired({place: [number]}, place, build)))
    if len(there) != 1:
        raise OperatorError(
            f"Build {build} of {app} is known for {' and '.join(there)}: say which with --platform."
            if there
            else f"Build {build} is not among the known builds of {app}: to retire it even so, name its --platform."
        )
    return there[0]
