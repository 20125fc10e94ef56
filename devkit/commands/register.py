"""Adds the laptop's commands to ``bonafide``: the entry point ``bonafide.commands`` of this distribution."""

from __future__ import annotations

import typer

from devkit.commands import attest, chaos, demo, drills, edge_drills, fleet, kit, local, simulate


def register(cli: typer.Typer) -> None:
    """Called once, when the ``bonafide`` command starts."""
    cli.add_typer(local.commands, name="local")
    cli.add_typer(kit.commands, name="kit")
    cli.command("demo")(demo.demo)
    cli.command("fleet")(fleet.fleet)
    cli.command("drills")(drills.drills)
    cli.command("chaos")(chaos.chaos)
    cli.command("edge-drill")(edge_drills.edge_drill)
    cli.command("flood-drill")(edge_drills.flood_drill)
    cli.command("simulate")(simulate.simulate)
    cli.command("attest")(attest.attest)
    cli.command("proof")(attest.proof)
    cli.command("request-key")(attest.request_key)
