"""Random drafts and facts, for comparing the prover's encoding with Cedar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from attestation.appraisal.facts import INCIDENT_SETS, KINDS, Facts
from attestation.appraisal.lint.vocabulary import RECORD, SET, Shape, vocabulary

KIND_NAMES: Final = tuple(dict.fromkeys(KINDS.values()))
TEXTS: Final = ("", "a", "ab", "b*c", "α", "verified", "tee", "x\\y", 'q"q', "production")
NUMBERS: Final = (-(2**63), -2, -1, 0, 1, 2, 3, 12, 2**62, 2**63 - 1)
_COMPARISONS: Final = ("==", "!=", "<", "<=", ">", ">=")
_KEYS: Final = ("k1", "k2")
_APPS: Final = ("demo", "bank")


@dataclass(frozen=True, slots=True)
class _Path:
    """An attribute: as Cedar writes it, what must be asked before, and its type."""

    text: str
    guards: tuple[str, ...]
    shape: Shape


def _paths(kind: str) -> list[_Path]:
    known = vocabulary()
    found: list[_Path] = []

    def walk(text: str, guards: tuple[str, ...], shape: Shape) -> None:
        for name, member in shape.members.items():
            quoted = f'["{name}"]' if "-" in name else f".{name}"
            asked = guards if member.required else (*guards, f'{text} has "{name}"')
            found.append(_Path(text + quoted, asked, member.shape))
            if member.shape.kind == RECORD:
                walk(text + quoted, asked, member.shape)

    walk("principal", (), known.keys[kind])
    walk("context", (), known.context)
    return [path for path in found if "incident_warnings" not in path.text]


_PATHS: Final = {kind: _paths(kind) for kind in KIND_NAMES}
_NUMBERS_OF: Final = {kind: [path for path in paths if path.shape.kind == "Long"] for kind, paths in _PATHS.items()}


def quoted(text: str) -> str:
    """A text as Cedar writes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Drafts:
    """Makes drafts and facts from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def draft(self, kind: str) -> str:
        """A policy whose rules are about keys of one type, or of any."""
        rules = [self._permit(kind, number) for number in range(self.random.choice((1, 1, 2)))]
        rules += [self._forbid(kind, number) for number in range(self.random.randint(1, 4))]
        return "\n".join(rules)

    def facts(self, kind: str) -> Facts:
        """Facts that fit the schema."""
        known = vocabulary()
        context = {name: [] for name in INCIDENT_SETS} | self._record(known.context)
        return Facts(kind, self._of(_APPS), self._of(_KEYS), self._record(known.keys[kind]), context)

    def _of(self, choices: Sequence[Any]) -> Any:
        return self.random.choice(choices)

    def _record(self, shape: Shape) -> dict[str, Any]:
        return {
            name: self._value(member.shape)
            for name, member in shape.members.items()
            if member.required or self.random.random() < 0.5
        }

    def _value(self, shape: Shape) -> Any:
        match shape.kind:
            case "Bool":
                return self.random.random() < 0.5
            case "Long":
                return self._of(NUMBERS)
            case "String":
                return self._of(TEXTS)
            case "Set":
                pool = TEXTS if shape.element is not None and shape.element.kind == "String" else (0, 1, 2, 3)
                return self.random.sample(pool, self.random.randint(0, 3))
        return self._record(shape)

    def _permit(self, kind: str, number: int) -> str:
        action = self._of(("action", "action", 'action == Action::"accept"', 'action == Action::"affirm"'))
        head = f'@id("p{number}")\npermit ({self._who(kind)}, {action}, {self._which()})'
        return f"{head};" if self.random.random() < 0.5 else f"{head}\n{self._conditions(kind)};"

    def _forbid(self, kind: str, number: int) -> str:
        action = self._of(("action", 'action == Action::"affirm"', 'action in [Action::"accept", Action::"affirm"]'))
        mode = '@mode("observe")\n' if self.random.random() < 0.2 else ""
        head = f'@id("f{number}")\n{mode}forbid ({self._who(kind)}, {action}, {self._which()})'
        return f"{head}\n{self._conditions(kind)};"

    def _who(self, kind: str) -> str:
        return str(self._of((f"principal is {kind}", f"principal is {kind}", f'principal == {kind}::"k1"')))

    def _which(self) -> str:
        return str(self._of(("resource", "resource", "resource", 'resource == App::"demo"')))

    def _conditions(self, kind: str) -> str:
        return "\n".join(
            f"{self._of(('when', 'when', 'unless'))} {{ {self._truth(kind, 3)} }}"
            for _ in range(self._of((1, 1, 2)))
        )  # fmt: skip

    def _truth(self, kind: str, depth: int) -> str:
        if depth == 0 or self.random.random() < 0.25:
            return self._atom(kind)
        one, other = self._truth(kind, depth - 1), self._truth(kind, depth - 1)
        return str(
            self._of(
                (
                    f"({one} && {other})",
                    f"({one} || {other})",
                    f"!({one})",
                    f"(if {self._atom(kind)} then {one} else {other})",
                    f"(({one}) == ({other}))",
                    f"({{x: {one}, y: {other}}}.x)",
                )
            )
        )

    def _atom(self, kind: str) -> str:
        path = self._of(_NUMBERS_OF[kind] if self.random.random() < 0.2 else _PATHS[kind])
        if path.guards and self.random.random() < 0.15:
            return self._guarded(path.guards[:-1], path.guards[-1])
        makers: dict[str, Callable[[_Path, str], tuple[str, tuple[str, ...]]]] = {
            "Bool": lambda path, _: (path.text, path.guards),
            "Long": self._about_number,
            "String": self._about_text,
            SET: self._about_set,
            RECORD: self._about_record,
        }
        if self.random.random() < 0.08:
            return str(
                self._of(
                    (
                        f'principal == {kind}::"k2"', 'resource == App::"bank"', 'action == Action::"affirm"',
                        f'principal in [{kind}::"k1", {kind}::"k2"]', 'resource in App::"demo"', f"principal is {kind}",
                    )
                )
            )  # fmt: skip
        text, guards = makers[path.shape.kind](path, kind)
        return self._guarded(guards, text)

    def _guarded(self, guards: Sequence[str], text: str) -> str:
        if not guards:
            return f"({text})"
        asked = " && ".join(f"({guard})" for guard in dict.fromkeys(guards))
        if self.random.random() < 0.7:
            return f"({asked} && {text})"
        return f"(if {asked} then {text} else {self._of(('true', 'false'))})"

    def _another(self, path: _Path, kind: str) -> _Path:
        return self.random.choice([one for one in _PATHS[kind] if str(one.shape) == str(path.shape)] or [path])

    def _about_number(self, path: _Path, kind: str) -> tuple[str, tuple[str, ...]]:
        other = self._another(path, kind)
        right, guards = str(self._number()), path.guards
        if self.random.random() < 0.3:
            right, guards = other.text, (*guards, *other.guards)
        left = path.text
        calculation = self.random.random()
        if calculation < 0.5:
            left = f"({left} {self._of(('+', '-', '*'))} {self._number()})"
        elif calculation < 0.65:
            left = f"(-({left}))"
        if self.random.random() < 0.15:
            return f"[{self._number()}, {self._number()}].contains({left})", path.guards
        return f"{left} {self._of(_COMPARISONS)} {right}", guards

    def _number(self) -> int:
        return int(self._of([number for number in NUMBERS if number > -(2**63)]))

    def _about_text(self, path: _Path, kind: str) -> tuple[str, tuple[str, ...]]:
        other = self._another(path, kind)
        pattern = self._of(("*", "a*", "*b", "*e*", "b\\*c", "*\\**", "x\\\\y", ""))
        return self.random.choice(
            (
                (f"{path.text} == {quoted(self._of(TEXTS))}", path.guards),
                (f"{path.text} != {quoted(self._of(TEXTS))}", path.guards),
                (f'{path.text} like "{pattern}"', path.guards),
                (f"{path.text} == {other.text}", (*path.guards, *other.guards)),
                (f"{self._set(str)}.contains({path.text})", path.guards),
            )
        )

    def _set(self, kind: type) -> str:
        pool: Sequence[Any] = TEXTS if kind is str else (0, 1, 2, 3)
        parts = [quoted(one) if isinstance(one, str) else str(one) for one in self.random.sample(pool, 2)]
        return f"[{', '.join(parts)}]"

    def _about_set(self, path: _Path, kind: str) -> tuple[str, tuple[str, ...]]:
        texts = path.shape.element is not None and path.shape.element.kind == "String"
        written = self._set(str if texts else int)
        one = quoted(self._of(TEXTS)) if texts else str(self._of((0, 1, 2)))
        other = self._another(path, kind)
        both = (*path.guards, *other.guards)
        return self.random.choice(
            (
                (f"{path.text}.contains({one})", path.guards),
                (f"{path.text}.containsAny({written})", path.guards),
                (f"{path.text}.containsAll({written})", path.guards),
                (f"{written}.containsAll({path.text})", path.guards),
                (f"{written}.containsAny({path.text})", path.guards),
                (f"{path.text}.isEmpty()", path.guards),
                (f"{path.text} == {written}", path.guards),
                (f"{path.text} == {other.text}", both),
                (f"{path.text}.containsAll({other.text})", both),
                (f"{path.text}.containsAny({other.text})", both),
            )
        )

    def _about_record(self, path: _Path, kind: str) -> tuple[str, tuple[str, ...]]:
        alike = [one for one in _PATHS[kind] if one.shape.members == path.shape.members]
        other = self._of(alike or [path])
        return f"{path.text} {self._of(('==', '!='))} {other.text}", (*path.guards, *other.guards)
