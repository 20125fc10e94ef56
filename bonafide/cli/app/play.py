"""``bonafide app play-key`` and ``bonafide app play-account``: what opens an app's Play Integrity tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, Region, StackName, command_group, moment, out, print_json, table
from bonafide.operator.admin_api import AdminApi
from bonafide.operator.deployment import find_deployment
from bonafide.operator.errors import OperatorError
from bonafide.operator.play_secrets import ACCOUNT, MAX_FILE_BYTES, PlaySecretsOfApps, StoredSecret

key_commands = command_group("Response keys from the Play Console: they open classic tokens.")
account_commands = command_group("The service account that asks Google about standard tokens.")

AppName = Annotated[str, typer.Argument(metavar="APP", help="A registered app.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="The reason, for the audit.")]
SecretName = Annotated[str, typer.Argument(metavar="NAME", help="As `list` shows it.")]


def _file(option: str, what: str) -> object:
    return typer.Option(option, metavar="FILE", help=what)


@key_commands.command("add")
def add_key(
    app: AppName,
    decryption_key_file: Annotated[Path, _file("--decryption-key-file", "File with the console's decryption key.")],
    verification_key_file: Annotated[Path, _file("--verification-key-file", "File with its verification key.")],
    reason: Reason = "",
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Seal and store a pair of response keys. An app may have several pairs, so that keys can rotate."""
    texts = [read_key_file(path).decode("ascii", "replace") for path in (decryption_key_file, verification_key_file)]
    say_sealed(secrets_of(stack, region).add_keys(app, *texts, why=reason), as_json)


@key_commands.command("list")
def list_keys(app: AppName, stack: StackName = None, region: Region = None, as_json: AsJson = False) -> None:
    """List what is stored for an app: names and times, never keys."""
    stored = secrets_of(stack, region).list(app)
    if as_json:
        print_json([_record(secret) for secret in stored])
    else:
        table(("name", "kind", "added"), ((s.name, s.kind, moment(s.created_at)) for s in stored))


@key_commands.command("remove")
def remove_key(
    app: AppName, name: SecretName, reason: Reason = "", stack: StackName = None, region: Region = None
) -> None:
    """Forget a pair of response keys: tokens made under it are refused within five minutes."""
    secrets_of(stack, region).remove(app, name, why=reason)
    out().print(f"Removed {name} of {app}.")


@account_commands.command("set")
def set_account(
    app: AppName,
    key_file: Annotated[Path, _file("--file", "Google's JSON key file of the service account.")],
    reason: Reason = "",
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Seal and store the service account; replaces an earlier one."""
    say_sealed(secrets_of(stack, region).set_account(app, read_key_file(key_file), why=reason), as_json)


@account_commands.command("remove")
def remove_account(app: AppName, reason: Reason = "", stack: StackName = None, region: Region = None) -> None:
    """Forget the service account: standard tokens are refused within five minutes."""
    secrets_of(stack, region).remove(app, ACCOUNT, why=reason)
    out().print(f"Removed the service account of {app}.")


def secrets_of(stack: str | None, region: str | None) -> PlaySecretsOfApps:
    """The entrusted keys of a stack."""
    return PlaySecretsOfApps(AdminApi(find_deployment(stack, region, project_layout())))


def read_key_file(path: Path) -> bytes:
    """A file that may be one. Raises :class:`OperatorError`."""
    with path.open("rb") as file:
        content = file.read(MAX_FILE_BYTES + 1)
    if len(content) > MAX_FILE_BYTES:
        raise OperatorError(f"{path} is too large for a key file.")
    return content


def _record(secret: StoredSecret) -> dict[str, object]:
    return {"app": secret.app, "name": secret.name, "kind": secret.kind, "created_at": secret.created_at}


def say_sealed(secret: StoredSecret, as_json: bool) -> None:
    """Say what was sealed, and nothing of what is in it."""
    if as_json:
        print_json(_record(secret))
    else:
        out().print(f"Sealed {secret.name} of {secret.app}; functions use it within five minutes.")
