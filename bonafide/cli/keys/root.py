"""``bonafide root``: move a stack from one root key to another, step by step (docs/root-keys.md)."""

from __future__ import annotations

from typing import Annotated

import typer

from bonafide.cli.keys.root_change import RootChange, Roots
from bonafide.cli.project import project_layout
from bonafide.cli.terminal import AsJson, Region, StackName, command_group, moment, out, print_json, table
from bonafide.operator.admin_api import AdminApi
from bonafide.operator.deployment import find_deployment
from bonafide.operator.errors import OperatorError

commands = command_group("Change the root key, one step after the other.")

Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="The reason, for the audit.")]


@commands.command()
def status(stack: StackName = None, region: Region = None, as_json: AsJson = False) -> None:
    """Show which root signs, which ones gates and apps know, and what to do next."""
    roots = _change(stack, region).roots()
    if as_json:
        print_json({**roots.record, "next": roots.next_step(), "root_set": roots.built_in()})
        return
    _print(roots)


def _print(roots: Roots) -> None:
    signed = roots.record["client_policies_signed_by"]
    table(
        ("root", "signs", "gates accept", "apps know", "client policies"),
        (
            (
                root,
                _mark(root == roots.signing),
                _mark(root in roots.accepted),
                _mark(root in roots.newest),
                str(signed.get(root, 0)),
            )
            for root in roots.every()
        ),
    )
    made = roots.record["newest"]
    when = f", made {moment(made['at'])} by {made['by']}" if made["at"] else ", with which apps are built"
    out().print(f"Root set {made['version']}{when}.")
    out().print(f"Next: {roots.next_step()}")


@commands.command()
def add(reason: Reason = "", stack: StackName = None, region: Region = None, as_json: AsJson = False) -> None:
    """Let apps know the root that this deployment accepts besides the one that signs."""
    _told(_change(stack, region).add(reason or "another root is added"), as_json)


@commands.command("sign-with")
def sign_with(
    gates_know: Annotated[
        bool,
        typer.Option("--gates-know", help="Every gate, also in other accounts, was deployed with both roots."),
    ] = False,
    reason: Reason = "",
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Put what is active under the signature of the root that signs now, after the deployment that made it sign."""
    change = _change(stack, region)
    if not gates_know:
        raise OperatorError(
            "Nothing tells the stack whether a gate in another account was deployed with both roots. Say --gates-know "
            "if every one was: those that were not take no trust bundle from now on."
        )
    signed = change.sign_with(reason or "another root signs")
    if as_json:
        print_json({"signed": signed})
    else:
        out().print(f"{signed} client policies are under the new root's signature. Next: `bonafide root status`.")


@commands.command()
def drop(
    at_once: Annotated[bool, typer.Option("--at-once", help="Without the pause of an hour.")] = False,
    reason: Reason = "",
    stack: StackName = None,
    region: Region = None,
    as_json: AsJson = False,
) -> None:
    """Have apps forget the roots that do not sign."""
    _told(_change(stack, region).drop(reason or "the old root is dropped", at_once=at_once), as_json)


def _told(answer: dict[str, object], as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    made = answer["set"]
    version = made["version"] if isinstance(made, dict) else ""
    if answer["proposed"]:
        out().print(f"Root set {version} is proposed: another person makes it by the same command.")
    else:
        out().print(f"Root set {version} is served from now on. Next: `bonafide root status`.")


def _mark(yes: bool) -> str:
    return "yes" if yes else ""


def _change(stack: str | None, region: str | None) -> RootChange:
    return RootChange(AdminApi(find_deployment(stack, region, project_layout())))
