"""``bonafide pass``: what lets a tester's device, an emulator or a CI job in on a test stage."""

from __future__ import annotations

import json
import re
import sys
from enum import StrEnum, unique
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from bonafide.cli.keys.device_key import duration
from bonafide.cli.outcome import AppOption, Yes
from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, Region, StackName, command_group, moment, out, print_json, table
from bonafide.operator.admin_api import AdminApi
from bonafide.operator.deployment import find_deployment
from bonafide.operator.errors import OperatorError, WrongUsage
from bonafide.passes.passes import PassesOfApp

commands = command_group("Test passes: what stands in for evidence on a test stage, never in production.")

_PASS_ID: Final = re.compile("[A-Za-z0-9_-]{1,64}")
_MOST_BYTES: Final = 64 * 1024


@unique
class Platform(StrEnum):
    """What a pass stands for."""

    IOS = "ios"
    MACOS = "macos"
    ANDROID = "android"
    HARMONY = "harmony"


Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="The reason, for the audit.")]


@commands.command(no_args_is_help=True)
def mint(
    app: AppOption,
    request_key: Annotated[
        Path,
        typer.Option("--request-key", metavar="FILE", help="The device's public request key, a JWK; - is a pipe."),
    ],
    platform: Annotated[Platform, typer.Option("--platform", help="What the device stands for.")],
    valid: Annotated[str, typer.Option("--for", metavar="SPAN", help="How long, 24h at most.")] = "8h",
    build: Annotated[str | None, typer.Option("--build", help="For this build of the app alone.")] = None,
    least_build: Annotated[str | None, typer.Option("--from-build", help="For builds from this one on.")] = None,
    most_build: Annotated[str | None, typer.Option("--to-build", help="For builds up to this one.")] = None,
    reason: Reason = "",
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Mint a pass for one request key, and print it. The device shows it in the place of its vendor's evidence.

    The private key stays on the device: the pass is of no use without it.
    """
    if build is not None and (least_build, most_build) != (None, None):
        raise WrongUsage("Give --build, or --from-build and --to-build.")
    passes = _passes(app, stack, region)
    bounds = {"least_build": build or least_build, "most_build": build or most_build}
    asked = {
        "request_key": _read_key(request_key),
        "platform": platform.value,
        "seconds": duration(valid),
        **{name: text for name, text in bounds.items() if text is not None},
    }
    minted = passes.mint(asked, why=reason)
    if as_json:
        print_json(minted)
    else:
        sys.stdout.write(minted["pass"] + "\n")


@commands.command("list", no_args_is_help=True)
def list_passes(app: AppOption, stack: StackName = None, region: Region = None, as_json: AsJson = False) -> None:
    """List an app's passes, ID tokens that were used, and the CI systems that it trusts."""
    answer = _passes(app, stack, region).list()
    if as_json:
        print_json(answer)
        return
    rows = (
        (one["pass_id"], one["source"], one["platform"], _state(one), moment(one["ends_at"]), str(one["by"]))
        for one in answer["passes"]
    )
    table(("pass", "source", "platform", "state", "ends", "by"), rows)
    if not answer["complete"]:
        out().print("There are more than could be read at once.")
    if answer["issuers"]:
        trusted = ((one["issuer"], one["subject"], one["audience"], one["platform"]) for one in answer["issuers"])
        table(("trusted CI system", "subject", "audience", "platform"), trusted)


@commands.command(no_args_is_help=True)
def revoke(
    pass_id: Annotated[str, typer.Argument(metavar="PASS", help="The pass, as `list` names it.")],
    app: AppOption,
    reason: Reason = "",
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a pass: nothing enrols with it any more, and the key that did is blocked, with its tokens."""
    if not _PASS_ID.fullmatch(pass_id):
        raise WrongUsage(f"{pass_id[:80]!r} is no pass: `bonafide pass list` names them.")
    answer = _passes(app, stack, region).revoke(pass_id, why=reason)
    if as_json:
        print_json(answer)
        return
    cut = f"Its key {answer['holder']} is blocked." if answer["key_blocked"] else "No key had enrolled with it."
    out().print(f"Revoked. {cut}")


@commands.command(no_args_is_help=True)
def trust(
    app: AppOption,
    file: Annotated[
        Path,
        typer.Option("--from-file", metavar="FILE", help="A JSON list of CI systems, as docs/test-passes.md says."),
    ],
    yes: Yes = False,
    reason: Reason = "",
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Say which pipelines of which CI systems may enrol keys with their ID tokens, in the place of those before."""
    passes = _passes(app, stack, region)
    issuers = _json(file, list, "a JSON list of CI systems")
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Trust {len(issuers)} CI system(s) for {app}, and no others", abort=True)
    answer = passes.trust(issuers, why=reason)
    if as_json:
        print_json(answer)
        return
    for one in answer["issuers"]:
        out().print(f"Trusted: {one['subject']} at {one['issuer']}")
    if not answer["issuers"]:
        out().print("No CI system is trusted.")


def _passes(app: str, stack: str | None, region: str | None) -> PassesOfApp:
    return PassesOfApp(AdminApi(find_deployment(stack, region, project_layout())), app)


def _read_key(path: Path) -> dict[str, str]:
    """A public JWK. A private one goes nowhere. Raises :class:`OperatorError`."""
    jwk = _json(path, dict, "a public key as a JWK")
    if "d" in jwk:
        raise OperatorError("This is a private key. A pass is for a public one; the private one stays on the device.")
    return {name: str(jwk[name]) for name in ("kty", "crv", "x", "y") if name in jwk}


def _json(path: Path, kind: type, what: str) -> Any:
    content = sys.stdin.buffer.read(_MOST_BYTES) if str(path) == "-" else path.read_bytes()[:_MOST_BYTES]
    try:
        value = json.loads(content)
    except ValueError:
        value = None
    if not isinstance(value, kind):
        raise OperatorError(f"{path} does not hold {what}.")
    return value


def _state(one: dict[str, Any]) -> str:
    return "revoked" if one["pass_state"] == "revoked" else "ended" if one["ended"] else "active"
