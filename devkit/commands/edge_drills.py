"""``bonafide edge-drill`` and ``bonafide flood-drill``: a local stack with its edge, tried and flooded."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from statistics import median
from typing import Annotated, TypeVar

import typer

from bonafide.cli.project import project_layout
from bonafide.cli.terminal import EXIT_FAILED, AsJson, err, out, print_json, table
from bonafide.operator.deployment import from_facts
from bonafide.operator.errors import OperatorError
from devkit.commands.local import start, stop_on_termination
from devkit.devices.authority.authority import DeviceAuthority
from devkit.edge.local_edge import LocalEdge
from devkit.fleet.drills.drills import DrillFailed, Measurement, block_drill
from devkit.fleet.drills.edge import TYPICAL, WORST, ShiftedClock, Shown, edge_scene, show_calls_around, show_outage
from devkit.fleet.drills.flood import COLD, FILTER, HONEST, HONEST_NETWORK, HOSTING_NETWORK, THROTTLES, Flood, flood
from devkit.fleet.scenario import Scene
from devkit.stack.stack import LocalStack

_ENOUGH_TO_JUDGE = 10
T = TypeVar("T")


def edge_drill(
    repetitions: Annotated[int, typer.Option(min=1, max=100, help="How often a key is blocked.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Spoof a country, call around the edge, lose the trust bundle for an hour, and block keys through the edge.

    Exit code 0 only if all is as expected and, of 10 repetitions or more, a block holds within 10 s, half within 5 s.
    """
    clock = ShiftedClock()
    with _stack_with_edge(clock) as (stack, edge, scene):
        tried = itertools.chain(show_calls_around(stack, scene), show_outage(stack, edge, clock, scene))
        shown = list(_told(tried, lambda one: f"{one.tried}: {one.found}"))
        list(
            block_drill(from_facts(stack.facts), scene, 1)
        )  # wakes the functions: the edge is measured, not their start
        measured = list(
            _told(block_drill(from_facts(stack.facts), scene, repetitions), lambda one: f"{one.effect:.2f} s")
        )
    effects = [one.effect for one in measured]
    fast = repetitions < _ENOUGH_TO_JUDGE or (max(effects) <= WORST and median(effects) <= TYPICAL)
    holds = all(one.holds for one in shown) and fast
    if as_json:
        times = {"repetitions": repetitions, "median": round(median(effects), 2), "worst": round(max(effects), 2)}
        print_json({"shown": [one.to_record() for one in shown], "block": times, "holds": holds})
    else:
        _print_edge(shown, measured)
    if not holds:
        raise typer.Exit(EXIT_FAILED)


def flood_drill(
    rate: Annotated[int, typer.Option(min=1, max=5000, help="Requests a second that strangers offer.")] = 1000,
    seconds: Annotated[int, typer.Option(min=2, max=300, help="For how long, from each number of addresses.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Flood the edge from one address, from 10,000 of a hosting provider, and from 10,000 of the users' own network.

    Exit code 0 when all floods were offered and measured: what fails under each is printed, not judged.
    """
    clock, measured = ShiftedClock(), []
    with _stack_with_edge(clock, THROTTLES, FILTER) as (stack, edge, scene):
        for addresses, network in ((1, HOSTING_NETWORK), (10_000, HOSTING_NETWORK), (10_000, HONEST_NETWORK)):
            err().print(f"{rate} requests a second from {addresses} addresses of network {network}.")
            told = flood(stack, edge, scene, rate=rate, seconds=seconds, addresses=addresses, network=network)
            measured.append(told)
            clock.shift += 600  # the filter has forgotten this flood when the next one comes
    if as_json:
        print_json([one.to_record() for one in measured])
    else:
        _print_floods(measured)


@contextmanager
def _stack_with_edge(
    clock: ShiftedClock, parameters: Mapping[str, str] | None = None, rules: Mapping[str, str] | None = None
) -> Iterator[tuple[LocalStack, LocalEdge, Scene]]:
    stop_on_termination()
    layout = project_layout()
    stack = LocalStack(layout=layout, parameters=parameters or {})
    edge = stack.edge = LocalEdge(layout.root, stack.ports.edge, rules or {}, clock)
    try:
        start(stack)
        scene = edge_scene(from_facts(stack.facts), DeviceAuthority.load_or_create(layout.authority), edge)
        yield stack, edge, scene
    except DrillFailed as error:
        raise OperatorError(str(error)) from error
    finally:
        stack.stop()


def _told(results: Iterator[T], describe: Callable[[T], str]) -> Iterator[T]:
    for number, result in enumerate(results, 1):
        err().print(f"{number}: {describe(result)}")
        yield result


def _print_edge(shown: list[Shown], measured: list[Measurement]) -> None:
    rows = ((one.tried, one.expected, one.found, "yes" if one.holds else "NO") for one in shown)
    table(("tried", "expected", "found", "holds"), rows)
    effects = [one.effect for one in measured]
    out().print(
        f"A blocked key is refused everywhere after {median(effects):.2f} s (median) and {max(effects):.2f} s (worst "
        f"of {len(effects)}); {TYPICAL:.0f} s and {WORST:.0f} s are allowed."
    )


def _print_floods(measured: list[Flood]) -> None:
    figures: list[tuple[str, Callable[[Flood], str]]] = [
        ("strangers' addresses", lambda one: f"{one.addresses:,}"),
        ("their network", lambda one: "the users' own" if one.network == HONEST_NETWORK else "a hosting provider"),
        ("offered", lambda one: f"{one.offered:,}"),
        ("answered a second", lambda one: f"{one.achieved:.0f}"),
        ("blocked by the filter", lambda one: f"{one.blocked:,}"),
        ("throttled or blocked (429)", lambda one: f"{_ending(one, ' 429'):,}"),
        ("no answer", lambda one: f"{_ending(one, ' no answer'):,}"),
        ("documents asked of origins", lambda one: f"{one.documents_asked:,}"),
        (f"honest enrolments (goal {HONEST:.0%})", lambda one: f"{one.honest_enrolled} of {one.honest}"),
        (f"cold authorizers up (goal {COLD} of {COLD})", lambda one: f"{one.cold_up} of {one.cold}"),
    ]
    table(
        ("", *(f"flood {number}" for number, _ in enumerate(measured, 1))),
        [(name, *(figure(one) for one in measured)) for name, figure in figures],
    )
    for number, one in enumerate(measured, 1):
        for failure in one.failures or ["nothing of what is honest"]:
            out().print(f"Under flood {number} fails: {failure}.")


def _ending(one: Flood, text: str) -> int:
    return sum(count for answer, count in one.answers.items() if answer.endswith(text))
