"""The product's Python as data: modules, classes and routines, names resolved through imports, and rough types.

A type here is a set of the product's own classes: all that an annotation mentions, so a tuple of rows is the same as a
row. That is enough to tell which class's method a call means, and errs on the side of too many.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

Types: TypeAlias = "frozenset[Class]"
NONE: Types = frozenset()


@dataclass(eq=False)
class Routine:
    """A function, a method, or a module's own statements. Functions inside it are a part of it."""

    module: Module
    name: str
    node: ast.AST
    owner: Class | None = None

    def __repr__(self) -> str:
        return f"{self.module.name}:{f'{self.owner.name}.' if self.owner else ''}{self.name}"

    @cached_property
    def parameters(self) -> list[ast.arg]:
        assert isinstance(self.node, ast.FunctionDef)
        of = self.node.args
        return [*of.posonlyargs, *of.args, *of.kwonlyargs]

    @cached_property
    def body(self) -> list[ast.AST]:
        """Every node in it."""
        if isinstance(self.node, ast.Module):
            parts = [one for one in self.node.body if not isinstance(one, ast.FunctionDef | ast.ClassDef)]
            return [node for part in parts for node in ast.walk(part)]
        return list(ast.walk(self.node))

    @cached_property
    def returned(self) -> Types:
        returns = self.node.returns if isinstance(self.node, ast.FunctionDef) else None
        return self.module.types(returns) if returns is not None else NONE

    @cached_property
    def assigned(self) -> dict[str, list[ast.AST]]:
        """What is bound to each local name: values, and what loops and `with` take theirs from."""
        found: dict[str, list[ast.AST]] = {}
        for node in self.body:
            pairs: list[tuple[ast.AST, ast.AST | None]] = []
            match node:
                case ast.Assign():
                    pairs = [(target, node.value) for target in node.targets]
                case ast.AnnAssign() | ast.NamedExpr():
                    pairs = [(node.target, node.value)]
                case ast.For() | ast.comprehension():
                    pairs = [(node.target, node.iter)]
                case ast.With():
                    pairs = [(one.optional_vars, one.context_expr) for one in node.items if one.optional_vars]
            for target, value in pairs:
                if value is not None:
                    for name in (one.id for one in ast.walk(target) if isinstance(one, ast.Name)):
                        found.setdefault(name, []).append(value)
        return found


@dataclass(eq=False)
class Class:
    """One class: its fields by annotation, its methods, and the classes it extends."""

    module: Module
    name: str
    node: ast.ClassDef
    methods: dict[str, Routine] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"{self.module.name}:{self.name}"

    @cached_property
    def bases(self) -> list[Class]:
        return [one for base in self.node.bases for one in self.module.types(base)]

    @cached_property
    def is_protocol(self) -> bool:
        return any(isinstance(one, ast.Name) and one.id == "Protocol" for one in map(_origin, self.node.bases))

    @cached_property
    def lineage(self) -> list[Class]:
        return [self, *(one for base in self.bases for one in base.lineage)]

    @cached_property
    def fields(self) -> dict[str, tuple[Module, ast.AST, ast.AST | None]]:
        """Annotated names in order, inherited ones first: where they are annotated, how, and the default."""
        found: dict[str, tuple[Module, ast.AST, ast.AST | None]] = {}
        for one in reversed(self.lineage):
            for node in one.node.body:
                if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                    found[node.target.id] = (one.module, node.annotation, node.value)
        return found

    def method(self, name: str) -> Routine | None:
        return next((one.methods[name] for one in self.lineage if name in one.methods), None)

    def kept(self, name: str) -> ast.AST | None:
        """What `__init__` keeps under `self.name`."""
        init = self.method("__init__")
        for node in init.body if init else ():
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == f"self.{name}":
                return node.value
        return None

    @cached_property
    def taken(self) -> list[str]:
        """The names that its constructor takes, in order."""
        init = self.method("__init__")
        return [one.arg for one in init.parameters[1:]] if init else list(self.fields)


def _origin(node: ast.AST) -> ast.AST:
    return node.value if isinstance(node, ast.Subscript) else node


@dataclass(eq=False)
class Module:
    """One file."""

    name: str
    tree: ast.Module
    program: Program
    classes: dict[str, Class] = field(default_factory=dict)
    functions: dict[str, Routine] = field(default_factory=dict)
    imports: dict[str, tuple[str, str | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef):
                made = self.classes[node.name] = Class(self, node.name, node)
                for one in node.body:
                    if isinstance(one, ast.FunctionDef):
                        made.methods[one.name] = Routine(self, one.name, one, made)
            elif isinstance(node, ast.FunctionDef):
                self.functions[node.name] = Routine(self, node.name, node)
        for found in ast.walk(self.tree):
            if isinstance(found, ast.ImportFrom) and found.module:
                for alias in found.names:
                    self.imports[alias.asname or alias.name] = (found.module, alias.name)
            elif isinstance(found, ast.Import):
                for alias in found.names:
                    self.imports[alias.asname or alias.name] = (alias.name, None)

    @cached_property
    def statements(self) -> Routine:
        return Routine(self, "<module>", self.tree)

    @cached_property
    def aliases(self) -> dict[str, ast.AST]:
        return {name: values[0] for name, values in self.statements.assigned.items() if len(values) == 1}

    def named(self, name: str) -> Class | Routine | Module | None:
        """What a name of this module is, where it is the product's own."""
        if name in self.classes:
            return self.classes[name]
        if name in self.functions:
            return self.functions[name]
        if name not in self.imports:
            return None
        module, member = self.imports[name]
        if member is None:
            return self.program.modules.get(module)
        found = self.program.modules.get(module)
        inside = found.named(member) if found else None
        return inside or self.program.modules.get(f"{module}.{member}")

    def types(self, node: ast.AST | None, seen: frozenset[str] = frozenset()) -> Types:
        """The product's classes that an annotation mentions; ``seen`` are aliases that led here."""
        found: set[Class] = set()
        for one in ast.walk(node) if node is not None else ():
            if isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value.isidentifier():
                one = ast.Name(one.value)
            if not isinstance(one, ast.Name):
                continue
            named = self.named(one.id)
            if isinstance(named, Class):
                found.add(named)
            elif named is None and f"{self.name}.{one.id}" not in seen:
                found |= self._alias(one.id, seen | {f"{self.name}.{one.id}"})
        return frozenset(found)

    def _alias(self, name: str, seen: frozenset[str]) -> Types:
        if name in self.aliases:
            return self.types(self.aliases[name], seen)
        module, member = self.imports.get(name, ("", None))
        found = self.program.modules.get(module)
        return found.types(ast.Name(member), seen) if found and member else NONE


class Program:
    """The modules below some folders."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.modules: dict[str, Module] = {}
        for folder in folders:
            for path in sorted(folder.rglob("*.py")):
                parts = path.relative_to(folder).with_suffix("").parts
                name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                self.modules[name] = Module(name, ast.parse(path.read_text("utf-8")), self)

    @cached_property
    def classes(self) -> list[Class]:
        return [one for module in self.modules.values() for one in module.classes.values()]

    @cached_property
    def _known_kinds(self) -> dict[Class, list[Class]]:
        return {}

    def kinds(self, one: Class) -> list[Class]:
        """The concrete classes that a value of this type may be of. Found once: each function's reach asks again."""
        if one not in self._known_kinds:
            self._known_kinds[one] = [
                other
                for other in self.classes
                if not other.is_protocol and (one in other.lineage or (one.is_protocol and _has(other, one)))
            ]
        return self._known_kinds[one]


def _has(other: Class, protocol: Class) -> bool:
    """Whether a class has each method of a protocol, with as many parameters; or a field in its place."""
    wanted = {name: method for one in protocol.lineage for name, method in one.methods.items()}
    return bool(wanted) and all(
        name in other.fields
        or ((own := other.method(name)) is not None and len(own.parameters) >= len(method.parameters))
        for name, method in wanted.items()
    )
