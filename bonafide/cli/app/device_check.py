"""``bonafide app device-check-key``: the key by which Apple is asked for the risk metric."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final

import typer

from bonafide.cli.app.play import AppName, Reason, SecretName, list_keys, read_key_file, say_sealed, secrets_of
from bonafide.cli.terminal import AsJson, Region, StackName, command_group, out
from bonafide.operator.errors import OperatorError

commands = command_group("The key with Apple's service DeviceCheck: it asks Apple for the risk metric.")

_NAME: Final = re.compile(r"AuthKey_([A-Z0-9]{10})\.p8\Z")


@commands.command("set")
def set_key(
    app: AppName,
    file: Annotated[Path, typer.Option("--file", metavar="FILE", help="Apple's .p8 file.")],
    team: Annotated[str, typer.Option("--team", metavar="TEAM", help="The team id, ten characters.")],
    key_id: Annotated[
        str, typer.Option("--key-id", metavar="ID", help="The key id; default: from the name AuthKey_ID.p8.")
    ] = "",
    app_id_prefix: Annotated[
        str, typer.Option("--app-id-prefix", metavar="PREFIX", help="What app ids begin with, if not with the team id.")
    ] = "",
    reason: Reason = "",
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Seal and store the key; replaces an earlier one. A team of Apple's may have two such keys, so that they can
    rotate."""
    secrets = secrets_of(stack, region)
    named = _NAME.search(file.name)
    name = key_id or ("" if named is None else named[1])
    if not name:
        raise OperatorError(f"{file.name} is not called AuthKey_ID.p8: say the key's id by --key-id.")
    key = read_key_file(file)
    sealed = secrets.set_device_check_key(app, key, team_id=team, key_id=name, app_id_prefix=app_id_prefix, why=reason)
    say_sealed(sealed, as_json)


commands.command("list")(list_keys)


@commands.command("remove")
def remove_key(
    app: AppName, name: SecretName, reason: Reason = "", stack: StackName = None, region: Region = None
) -> None:
    """Forget the key: receipts stay, and Apple is not asked until there is another one."""
    secrets_of(stack, region).remove(app, name, why=reason)
    out().print(f"Removed {name} of {app}.")
