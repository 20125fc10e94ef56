"""What a Lambda function's handler can reach: routines, the classes that are made, and what each call hands over."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.permissions.program import NONE, Class, Module, Program, Routine, Types


@dataclass
class Reach:
    """From a module's own statements, by every name that is mentioned: also of what is only passed on.

    A method counts when its class is made somewhere that is reached. Where the type of a receiver cannot be told, every
    method of that name counts, but for names that texts and collections have, as `add` and `replace`.
    """

    program: Program
    handler: Module
    routines: dict[Routine, None] = field(default_factory=dict)
    made: dict[Class, None] = field(default_factory=dict)
    calls: list[tuple[Routine, ast.Call, Class | Routine]] = field(default_factory=list)
    _wanted: dict[tuple[Class, str], None] = field(default_factory=dict)
    _by_name: dict[str, None] = field(default_factory=dict)
    _types: dict[ast.AST, Types] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for module in self._imported(self.handler, {}):
            self._add(module.statements)
        self._mention(self.handler.named("handler"))
        while True:
            before = (len(self.routines), len(self.made))
            self._dispatch()
            if before == (len(self.routines), len(self.made)):
                return

    def _imported(self, module: Module, seen: dict[Module, None]) -> dict[Module, None]:
        if module not in seen:
            seen[module] = None
            for name, member in module.imports.values():
                for other in (name, f"{name}.{member}"):
                    if other in self.program.modules:
                        self._imported(self.program.modules[other], seen)
        return seen

    def _add(self, routine: Routine) -> None:
        if routine in self.routines:
            return
        self.routines[routine] = None
        for node in routine.body:
            if isinstance(node, ast.Name):
                self._mention(routine.module.named(node.id))
            elif isinstance(node, ast.Attribute):
                self._member(routine, node)
            if isinstance(node, ast.Call):
                for target in self.targets(routine, node.func):
                    self.calls.append((routine, node, target))
                    if isinstance(target, Class):
                        self._make(target)

    def _mention(self, found: Class | Routine | Module | None) -> None:
        if isinstance(found, Routine):
            self._add(found)

    def _member(self, routine: Routine, node: ast.Attribute) -> None:
        module = self._module(routine, node.value)
        if module is not None:
            self._mention(module.named(node.attr))
            return
        if isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "super" and routine.owner:
            for base in routine.owner.bases:
                self._by_type(base, node.attr)
            return
        types = self.types(routine, node.value)
        for one in types:
            self._wanted[one, node.attr] = None
        if not types and not any(hasattr(kind, node.attr) for kind in (str, bytes, dict, list, set, tuple)):
            self._by_name[node.attr] = None

    def _make(self, one: Class) -> None:
        if one not in self.made:
            self.made[one] = None
            for name in ("__init__", "__post_init__", "__call__", "__enter__", "__exit__"):
                self._by_type(one, name)

    def _by_type(self, one: Class, name: str) -> None:
        routine = one.method(name)
        if routine is not None:
            self._add(routine)

    def _dispatch(self) -> None:
        for one, name in list(self._wanted):
            if _is_static(one.method(name)):
                self._by_type(one, name)
            for kind in self.program.kinds(one):
                if kind in self.made:
                    self._by_type(kind, name)
        for name in list(self._by_name):
            for made in list(self.made):
                self._by_type(made, name)

    def _module(self, routine: Routine, node: ast.AST) -> Module | None:
        found = routine.module.named(node.id) if isinstance(node, ast.Name) else None
        return found if isinstance(found, Module) else None

    def targets(self, routine: Routine, node: ast.AST) -> Iterator[Class | Routine]:
        """What a call's function is, where that can be told."""
        if isinstance(node, ast.Name):
            found = routine.module.named(node.id)
            if node.id == "cls" and routine.owner:
                found = routine.owner
            if isinstance(found, Class | Routine):
                yield found
        elif isinstance(node, ast.Attribute):
            module = self._module(routine, node.value)
            inside = module.named(node.attr) if module else None
            if isinstance(inside, Class | Routine):
                yield inside
            for one in self.types(routine, node.value):
                for kind in {one, *self.program.kinds(one)}:
                    method = kind.method(node.attr)
                    if method is not None:
                        yield method

    def types(self, routine: Routine, node: ast.AST) -> Types:
        """The product's classes that an expression's value may be of, or be made of."""
        if node not in self._types:
            self._types[node] = NONE  # of a name that is bound to itself, as in `part = part.next`
            self._types[node] = self._found_types(routine, node)
        return self._types[node]

    def _found_types(self, routine: Routine, node: ast.AST) -> Types:
        match node:
            case ast.Name():
                return self._types_of_name(routine, node.id)
            case ast.Attribute():
                return self._types_of_member(routine, node)
            case ast.Call():
                found = set[Class]()
                for target in self.targets(routine, node.func):
                    found |= {target} if isinstance(target, Class) else target.returned
                if not found and isinstance(node.func, ast.Attribute):
                    found |= self.types(routine, node.func.value)
                elif not found:  # of a library: what it makes of our values is still ours
                    for argument in node.args:
                        found |= self.types(routine, argument)
                return frozenset(found)
            case ast.Lambda() | ast.Constant():
                return NONE
            case _:
                parts = (self.types(routine, one) for one in ast.iter_child_nodes(node))
                return frozenset[Class]().union(*parts)

    def _types_of_name(self, routine: Routine, name: str) -> Types:
        if isinstance(routine.node, ast.FunctionDef):
            if name in ("self", "cls") and routine.owner:
                return frozenset({routine.owner})
            for one in routine.parameters:
                if one.arg == name:
                    return routine.module.types(one.annotation)
        values = routine.assigned.get(name, ())
        found = frozenset[Class]().union(*(self.types(routine, one) for one in values))
        if found or values:
            return found
        named = routine.module.named(name)
        return frozenset({named}) if isinstance(named, Class) else NONE

    def _types_of_member(self, routine: Routine, node: ast.Attribute) -> Types:
        base = self.types(routine, node.value)
        found, known = set[Class](), False
        for one in base:
            if node.attr in one.fields:
                module, annotation, _ = one.fields[node.attr]
                named = module.types(annotation)
                generic = isinstance(annotation, ast.Name) and annotation.id in _variables(one)
                found |= base if generic else named
                known = True
            elif (method := one.method(node.attr)) is not None:
                found |= method.returned
                known = True
            elif (kept := one.kept(node.attr)) is not None and (init := one.method("__init__")) is not None:
                found |= self.types(init, kept)
                known = True
        return frozenset(found) if known else base


def _is_static(routine: Routine | None) -> bool:
    decorators = getattr(routine.node, "decorator_list", ()) if routine else ()
    return any(isinstance(one, ast.Name) and one.id in ("classmethod", "staticmethod") for one in decorators)


def _variables(one: Class) -> set[str]:
    """Names of type variables in the bases of a generic class."""
    return {
        name.id
        for base in one.node.bases
        if isinstance(base, ast.Subscript)
        for name in ast.walk(base.slice)
        if isinstance(name, ast.Name)
    }
