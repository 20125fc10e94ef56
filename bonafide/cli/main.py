"""The ``bonafide`` command. Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 130 interrupted."""

from __future__ import annotations

import os
from importlib.metadata import entry_points, version
from typing import Annotated, Any

import typer
from rich.text import Text

from bonafide.cli import audit, conformance, cost, endorsements, inspect, route, token, upstream, why
from bonafide.cli.app import app, device_check, play
from bonafide.cli.checker import checker
from bonafide.cli.console import console
from bonafide.cli.incidents import incident
from bonafide.cli.keys import device_key, erase, root, signing_key
from bonafide.cli.ledger import ledger
from bonafide.cli.migration import migration
from bonafide.cli.old_names import current
from bonafide.cli.passes import passes
from bonafide.cli.policy import approval as policy_approval
from bonafide.cli.policy import draft as policy_draft
from bonafide.cli.policy import lint as policy_lint
from bonafide.cli.policy import policy
from bonafide.cli.policy import prove as policy_prove
from bonafide.cli.policy import publish as policy_publish
from bonafide.cli.policy import replay as policy_replay
from bonafide.cli.policy import rollout as policy_rollout
from bonafide.cli.policy import schema as policy_schema
from bonafide.cli.policy import show as policy_show
from bonafide.cli.project import mean_local_stack
from bonafide.cli.regions import region
from bonafide.cli.secrets import secret
from bonafide.cli.tables import printable
from bonafide.cli.terminal import EXIT_FAILED, EXIT_USAGE, CommandGroup, err
from bonafide.cli.webhooks import webhook
from bonafide.operator.errors import WrongUsage, sentence_of
from bonafide.operator.layout import NAME_VARIABLE

_INTERRUPTED = 130


class OneSentence(CommandGroup):
    """The whole command: it understands old names, and turns every error into one sentence on standard error."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        words, old_names = current(args)
        if not ctx.resilient_parsing:  # which completion does, at every key
            for sentence in old_names:
                err().print(f"bonafide: {sentence}")
        return super().resolve_command(ctx, words)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise typer.Exit(_INTERRUPTED) from None
        except BrokenPipeError:
            # The reader of a pipe went away (`bonafide … | head`): nothing to complain about, nowhere to say it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise typer.Exit(EXIT_FAILED) from None
        except Exception as error:
            sentence = sentence_of(error)
            if sentence is None:
                if os.environ.get("BONAFIDE_DEBUG"):
                    raise
                if type(error).__module__.startswith(("typer.", "click.")):
                    raise  # wrong usage: the parser says it itself
                sentence = f"This should not happen: {type(error).__name__}: {error} (BONAFIDE_DEBUG=1 shows where.)"
            err().print(Text.assemble(("bonafide:", "bold red"), f" {printable(sentence)}"))
            raise typer.Exit(EXIT_USAGE if isinstance(error, WrongUsage) else EXIT_FAILED) from error


cli = typer.Typer(
    cls=OneSentence,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bonafide {version('bonafide')}")
        raise typer.Exit


@cli.callback()
def settings(
    context: typer.Context,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help=f"The local stack of that name, as {NAME_VARIABLE} also says."),
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Bonafide: prove that API requests come from a genuine app on a sound device."""
    mean_local_stack(context, name=name)


app.commands.add_typer(play.key_commands, name="play-key")
app.commands.add_typer(play.account_commands, name="play-account")
app.commands.add_typer(device_check.commands, name="device-check-key")
cli.add_typer(app.commands, name="app")
cli.add_typer(token.commands, name="token")
cli.add_typer(route.commands, name="route")
cli.add_typer(device_key.commands, name="device-key")
cli.add_typer(signing_key.commands, name="signing-key")
cli.add_typer(root.commands, name="root")
cli.add_typer(secret.commands, name="secret")
cli.add_typer(passes.commands, name="pass")
cli.add_typer(migration.commands, name="migration")
cli.add_typer(upstream.commands, name="upstream")
cli.add_typer(incident.commands, name="incident")
cli.add_typer(webhook.commands, name="webhook")
cli.add_typer(region.commands, name="region")
cli.add_typer(endorsements.commands, name="endorsements")
policy.commands.command("lint", no_args_is_help=True)(policy_lint.lint)
policy.commands.command("publish", no_args_is_help=True)(policy_publish.publish)
policy.commands.command("promote", no_args_is_help=True)(policy_rollout.promote)
policy.commands.command("rollback", no_args_is_help=True)(policy_rollout.rollback)
policy.commands.command("approve", no_args_is_help=True)(policy_approval.approve)
policy.commands.command("reject", no_args_is_help=True)(policy_approval.reject)
policy.commands.command("show", no_args_is_help=True)(policy_show.show)
policy.commands.command("diff", no_args_is_help=True)(policy_show.diff)
policy.commands.command("schema")(policy_schema.schema)
policy.commands.command("history", no_args_is_help=True)(policy_show.history)
policy.commands.command("draft", no_args_is_help=True)(policy_draft.draft)
policy.commands.command("prove", no_args_is_help=True)(policy_prove.prove)
policy.commands.command("replay", no_args_is_help=True)(policy_replay.replay)
cli.add_typer(policy.commands, name="policy")
cli.add_typer(ledger.commands, name="ledger")
cli.command("erase", no_args_is_help=True, context_settings={"ignore_unknown_options": True})(erase.erase)
cli.command("audit", no_args_is_help=True)(audit.audit)
cli.command("why", no_args_is_help=True)(why.why)
cli.command("console")(console.console)
cli.command("checker")(checker.checker)
cli.command("inspect")(inspect.inspect)
cli.command("conformance")(conformance.conformance)
cli.command("cost")(cost.cost)
for _more in entry_points(group="bonafide.commands"):  # what an installed devkit adds: local, demo, drills, attest
    _more.load()(cli)


def main() -> None:
    """Entry point of the ``bonafide`` command."""
    cli()
