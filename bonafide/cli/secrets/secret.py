"""``bonafide secret``: what app instances get, sealed, once they proved themselves.

A value comes from a file, a pipe or a terminal that shows nothing of it. It is never an argument: arguments are in the
history of the shell and in the list of processes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from bonafide.cli.outcome import AppOption, Yes
from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, Region, StackName, command_group, moment, out, print_json, table
from bonafide.operator.admin_api import AdminApi
from bonafide.operator.deployment import find_deployment
from bonafide.operator.errors import OperatorError, WrongUsage
from bonafide.operator.runtime_secrets import RuntimeSecretsOfApp, value

MAX_VALUE_BYTES: Final = 64 * 1024

commands = command_group("Runtime secrets: sealed to app instances that proved themselves.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The secret's name, as policies and apps call it.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="The reason, for the audit.")]
FromFile = Annotated[
    Path | None,
    typer.Option("--from-file", metavar="FILE", help="Take the value from a file, byte by byte; - is a pipe."),
]
SecretsManager = Annotated[
    str | None, typer.Option("--secrets-manager", metavar="ARN", help="Keep it in AWS Secrets Manager instead.")
]
Parameter = Annotated[
    str | None, typer.Option("--parameter", metavar="ARN", help="Keep it in the SSM parameter store instead.")
]
Version = Annotated[int, typer.Option("--version", metavar="N", min=1, help="The version that waits, as `list` says.")]


@commands.command("set", no_args_is_help=True)
def set_secret(
    name: Name,
    app: AppOption,
    from_file: FromFile = None,
    secrets_manager: SecretsManager = None,
    parameter: Parameter = None,
    reason: Reason = "",
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Store a secret that is new or was revoked. Without an option the terminal asks for the value, without echo.

    A rule of the policy must release it: permit (principal, action == Action::"release-secret", …).
    """
    secrets = _secrets(app, stack, region)
    kept = _kept(from_file, secrets_manager, parameter)
    _say(secrets.store(name, kept, rotate=False, why=reason), "Stored", as_json)


@commands.command(no_args_is_help=True)
def rotate(
    name: Name,
    app: AppOption,
    from_file: FromFile = None,
    secrets_manager: SecretsManager = None,
    parameter: Parameter = None,
    reason: Reason = "",
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Give a secret a new value, and so its next version. The next request gets it."""
    secrets = _secrets(app, stack, region)
    kept = _kept(from_file, secrets_manager, parameter)
    _say(secrets.store(name, kept, rotate=True, why=reason), "Rotated", as_json)


@commands.command("list", no_args_is_help=True)
def list_secrets(app: AppOption, stack: StackName = None, region: Region = None, as_json: AsJson = False) -> None:
    """List an app's secrets: names, versions, where each value is kept; never a value."""
    answer = _secrets(app, stack, region).list()
    if as_json:
        print_json(answer)
        return
    columns = ("name", "version", "state", "kept", "by", "since")
    rows = (
        (str(s["name"]), str(s["version"]), str(s["state"]), _place(s), str(s["by"]), moment(s["at"]))
        for s in answer["secrets"]
    )
    table(columns, rows)


@commands.command(no_args_is_help=True)
def revoke(
    name: Name,
    app: AppOption,
    yes: Yes = False,
    reason: Reason = "",
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Release a secret no more, and forget its value."""
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Revoke {name} of {app}? Apps that need it stop working", abort=True)
    _say(_secrets(app, stack, region).revoke(name, why=reason), "Revoked", as_json)


@commands.command(no_args_is_help=True)
def approve(
    name: Name,
    app: AppOption,
    version: Version,
    reason: Reason = "",
    yes: Yes = False,
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Make another person's proposal the secret, exactly as it was proposed."""
    secrets = _secrets(app, stack, region)
    proposal = secrets.proposal(name, version)
    if not yes and sys.stdin.isatty():
        told = f"by {proposal['by']}, {moment(proposal['at'])}, kept: {_place(proposal)}"
        typer.confirm(f"Approve version {version} of {name} ({told})", abort=True)
    _say(secrets.approve(proposal, why=reason), "Approved", as_json)


@commands.command(no_args_is_help=True)
def reject(
    name: Name,
    app: AppOption,
    version: Version,
    reason: Reason = "",
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Withdraw a proposal."""
    answer = _secrets(app, stack, region).reject(name, version, why=reason)
    _say(answer, "Rejected", as_json)


def _secrets(app: str, stack: str | None, region: str | None) -> RuntimeSecretsOfApp:
    return RuntimeSecretsOfApp(AdminApi(find_deployment(stack, region, project_layout())), app)


def _kept(from_file: Path | None, secrets_manager: str | None, parameter: str | None) -> dict[str, object]:
    """The value, or where it is kept. Raises :class:`OperatorError`."""
    if sum(given is not None for given in (from_file, secrets_manager, parameter)) > 1:
        raise WrongUsage("Give one of --from-file, --secrets-manager and --parameter.")
    if secrets_manager is not None:
        return {"secrets_manager": secrets_manager}
    if parameter is not None:
        return {"parameter": parameter}
    content = _asked() if from_file is None else _read(from_file)
    if not content:
        raise OperatorError("The value is empty.")
    if len(content) > MAX_VALUE_BYTES:
        raise OperatorError(f"The value is larger than {MAX_VALUE_BYTES // 1024} KiB.")
    return value(content)


def _asked() -> bytes:
    if not sys.stdin.isatty():
        raise WrongUsage(
            "There is no terminal to ask for the value: say --from-file FILE, or --from-file - for a pipe."
        )
    text: str = typer.prompt("Value (not shown)", hide_input=True, confirmation_prompt="Once more")
    return text.encode("utf-8", "surrogateescape")


def _read(path: Path) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read(MAX_VALUE_BYTES + 1)
    with path.open("rb") as file:
        return file.read(MAX_VALUE_BYTES + 1)


def _place(secret: dict[str, Any]) -> str:
    return str(secret["reference"] or (f"here, {secret['size']} bytes" if secret["size"] is not None else "—"))


def _say(secret: dict[str, Any], done: str, as_json: bool) -> None:
    if as_json:
        print_json(secret)
        return
    named = f"version {secret['version']} of {secret['name']} ({secret['app']})"
    if secret["state"] == "proposed" and done != "Rejected":
        out().print(f"Proposed {named}. Another person approves it:")
        out().print(f"bonafide secret approve {secret['name']} --app {secret['app']} --version {secret['version']}")
    else:
        out().print(f"{done} {named}.")
