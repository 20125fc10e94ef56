"""``bonafide upstream check``: the proxy's upstreams, read as the proxy reads them, before they are deployed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from bonafide.cli.terminal import AsJson, command_group, out, print_json, table
from bonafide.operator.errors import OperatorError

if TYPE_CHECKING:
    from service.relay.budget_windows import Allowance
    from service.relay.upstreams import Upstream

MOST_CHARACTERS: Final = 4096
"""What a parameter of CloudFormation holds, and all of a function's environment."""

commands = command_group("Upstreams of the proxy for keys that cost money (docs/proxy.md).")


@commands.callback()
def _group() -> None:
    """Keeps `check` a command of its own while it is the only one."""


@commands.command(no_args_is_help=True)
def check(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="JSON object of upstreams, as the proxy's parameter.")],
    as_json: AsJson = False,
) -> None:
    """Read FILE as the proxy will, and show what it lets apps do. Exit 1 where the proxy would not start with it."""
    from service.relay.upstreams import ConfigurationError, read_upstreams

    try:
        text = path.read_text("utf-8")
        upstreams = read_upstreams(text)
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise OperatorError(f"{path} is no UTF-8 text.") from error
    except ConfigurationError as error:
        raise OperatorError(f"{path}: {error}.") from error
    compact = json.dumps(json.loads(text), separators=(",", ":"), ensure_ascii=False)
    if len(compact) > MOST_CHARACTERS:
        raise OperatorError(
            f"{path} takes {len(compact):,} characters without spaces, of {MOST_CHARACTERS:,} that a parameter holds: "
            "deploy a second proxy for some of these upstreams."
        )
    if as_json:
        print_json({"characters": len(compact), "upstreams": [_record(one) for one in upstreams.values()]})
        return
    columns = ("upstream", "goes to", "apps", "routes", "each key may", "each app may")
    table(columns, [_row(one) for one in upstreams.values()])
    for one in upstreams.values():
        if one.counts_units and not one.prices:
            out().print(f"{one.name}: units are tokens; models are not looked at.")
    out().print(f"{len(compact):,} of {MOST_CHARACTERS:,} characters. Their keys are secrets named by SecretPrefix.")


def _record(upstream: Upstream) -> dict[str, Any]:
    return {
        "name": upstream.name,
        "base": _base(upstream),
        "apps": sorted(upstream.apps),
        "routes": [[method, text] for method, _, text in upstream.routes],
        "minimum_tier": upstream.minimum_tier,
        "per_key": _told(upstream.per_key, upstream),
        "per_app": _told(upstream.per_app, upstream),
        "models": sorted(upstream.prices),
    }


def _row(upstream: Upstream) -> tuple[str, ...]:
    return (
        upstream.name,
        _base(upstream),
        ", ".join(sorted(upstream.apps)),
        ", ".join(f"{method} {text}" for method, _, text in upstream.routes),
        _told(upstream.per_key, upstream),
        _told(upstream.per_app, upstream),
    )


def _base(upstream: Upstream) -> str:
    return f"{upstream.scheme}://{upstream.host}{upstream.base_path}"


def _told(allowance: Allowance, upstream: Upstream) -> str:
    calls = f"{allowance.requests:,} calls"
    if allowance.units is not None:
        calls += f", ${allowance.units / 1e6:,.2f}" if upstream.prices else f", {allowance.units:,} tokens"
    return f"{calls} a {allowance.window.value}"
