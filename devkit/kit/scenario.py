"""A scenario: its name, what happens in it, and the rules that it is there for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from devkit.kit.rules import Rule
from devkit.kit.stage import Play, Stage


@dataclass(frozen=True, slots=True)
class Scenario:
    """``rules`` are those that it is there for; all others are judged as well. ``config`` changes the client's."""

    name: str
    does: str
    rules: tuple[Rule, ...]
    play: Play
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Scenarios:
    """Scenarios of one file, in its order."""

    all: list[Scenario] = field(default_factory=list)

    def __call__(
        self, name: str, does: str, *rules: Rule, **config: Any
    ) -> Callable[[Callable[[Stage], None]], Callable[[Stage], None]]:
        """Makes a function a scenario."""

        def keep(play: Callable[[Stage], None]) -> Callable[[Stage], None]:
            self.all.append(Scenario(name, does, rules, play, config))
            return play

        return keep
