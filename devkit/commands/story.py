"""``bonafide demo --story``: one story told on a running stack, with its time line and what was measured."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from enum import StrEnum, unique
from typing import Any, Final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from bonafide.cli.terminal import err, out, print_json, table
from bonafide.operator.deployment import Deployment
from bonafide.operator.errors import OperatorError
from bonafide.operator.layout import Layout
from bonafide.replay.decisions import STORE
from devkit.devices.authority.authority import DeviceAuthority
from devkit.fleet.drills.outbreak import Outbreak, StoryBroke, Told
from devkit.fleet.drills.outbreak_console import StackConsole
from devkit.fleet.run import make_scene

TYPICAL: Final = 5.0
"""Seconds within which a published rule is usually active; 30 are guaranteed."""


@unique
class Story(StrEnum):
    """The stories that can be told."""

    OUTBREAK = "outbreak"


def tell_story(deployment: Deployment, layout: Layout, *, runs: int, as_json: bool) -> bool:
    """Tell the story ``runs`` times; whether each went as it must. Raises :class:`OperatorError`."""
    if not deployment.is_local:
        raise OperatorError("The story is told on the local stack, whose recorded decisions are at hand.")
    console = StackConsole.of(deployment, layout.local / STORE)
    scene = make_scene(deployment, DeviceAuthority.load_or_create(layout.authority))
    told: list[Told] = []
    for number in range(1, runs + 1):
        if not as_json and runs > 1:
            out().print(Text(f"Run {number} of {runs}", style="bold"))
        try:
            told.append(_told(Outbreak(scene=scene, console=console, tell=_teller(as_json))))
        except StoryBroke as error:
            raise OperatorError(str(error)) from error
    if as_json:
        print_json({"worst": _worst(told), "runs": [one.to_record() for one in told]})
    else:
        _print_measured(told)
    return all(one.as_expected for one in told)


def _told(story: Outbreak) -> Told:
    console = err()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, console=console, transient=True)
    with bar if console.is_terminal else nullcontext():
        task = bar.add_task("Enrolling", total=story.genuine + story.hooked)

        def progress(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of, visible=done < of)

        story.progress = progress
        return story.play()


def _teller(as_json: bool) -> Callable[[float, str], None]:
    console = err() if as_json else out()
    return lambda at, text: console.print(f"{at:6.1f} s  {text}")


def _worst(told: list[Told]) -> dict[str, Any]:
    return {
        "publish_to_first_refusal": round(max(one.published.first for one in told), 3),
        "publish_to_everywhere": round(max(one.published.everywhere for one in told), 3),
        "rollback_to_first_admission": round(max(one.rolled_back.first for one in told), 3),
    }


def _print_measured(told: list[Told]) -> None:
    head = ("run", "first refusal", "holds everywhere", "rollback", "back everywhere", "replay", "genuine failed")
    table(head, (_row(number, one) for number, one in enumerate(told, start=1)), title="Seconds from the command")
    worst = _worst(told)
    wrong = sum(not one.as_expected for one in told)
    style = "bold red" if wrong else "bold green"
    seconds = (
        f"; worst case {worst['publish_to_first_refusal']:.1f} s to the first refusal, "
        f"{worst['publish_to_everywhere']:.1f} s until it held everywhere, "
        f"{worst['rollback_to_first_admission']:.1f} s back ({TYPICAL:.0f} s are typical)."
    )
    runs = f"{len(told)} {'run' if len(told) == 1 else 'runs'}, {wrong} wrong"
    out().print(Text.assemble((runs, style), seconds))


def _row(number: int, one: Told) -> tuple[str, ...]:
    failed = sum(not effect.unharmed for effect in (one.published, one.rolled_back))
    return (
        str(number),
        f"{one.published.first:.1f} s",
        f"{one.published.everywhere:.1f} s",
        f"{one.rolled_back.first:.1f} s",
        f"{one.rolled_back.everywhere:.1f} s",
        f"{one.replayed.seconds:.1f} s",
        "0" if not failed else "some",
    )
