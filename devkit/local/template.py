"""Reads template.yaml and resolves the CloudFormation functions that it uses.

What cannot be known on a laptop (imports from other stacks, availability zones) is an error rather than a guess.
"""

from __future__ import annotations

import pickle
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from bonafide.operator.layout import LocalStackError

_SUB_VARIABLE = re.compile(r"\$\{(!?[A-Za-z0-9:._]+)\}")
_LISTS = ("CommaDelimitedList", "List<")
NO_VALUE = object()
"""What `Ref: AWS::NoValue` resolves to: the member that holds it goes away."""


class TemplateError(LocalStackError):
    """The template uses something this reader does not know, or names something that does not exist."""


class _Loader(yaml.CSafeLoader):
    """YAML with CloudFormation's short tags (`!Ref`, `!Sub`, ...) read as their long forms.

    libyaml, which every wheel of PyYAML has, reads our template eight times as fast as PyYAML's own parser.
    """


def _short_form(loader: yaml.Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    value: Any = None
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if name == "Fn::GetAtt":
            value = str(value).split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    return {name: value}


_Loader.add_multi_constructor("!", _short_form)


def read_template(path: Path) -> dict[str, Any]:
    """The template as plain data, short tags in their long forms.

    Raises:
        TemplateError: when it is not there, or not YAML.
    """
    try:
        data = pickle.loads(_parsed(path.resolve(), path.stat().st_mtime_ns))  # noqa: S301 - what we pickled ourselves
    except (OSError, yaml.YAMLError) as error:
        raise TemplateError(f"{path} cannot be read as a template: {error}") from error
    if not isinstance(data, dict):
        raise TemplateError(f"{path} is not a template.")
    return data


@lru_cache(maxsize=8)
def _parsed(path: Path, _changed: int) -> bytes:
    """What a file says. Kept, since a stack reads its template many times, and in a form that each reader gets a copy
    of: they change it."""
    with path.open(encoding="utf-8") as file:
        return pickle.dumps(yaml.load(file, Loader=_Loader))  # noqa: S506 - derived from CSafeLoader


def mapping(value: Any, what: str) -> dict[str, Any]:
    """A part of a template that must be a mapping; nothing at all counts as an empty one.

    Raises:
        TemplateError: when it is something else.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise TemplateError(f"{what} is not a mapping.")
    return value


def merged(shared: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """``own`` over ``shared``, member by member, as SAM merges its Globals; intrinsic functions are not mixed."""
    result = dict(shared)
    for name, value in own.items():
        both = [side for side in (shared.get(name), value) if isinstance(side, Mapping) and not _is_function(side)]
        result[name] = merged(*both) if len(both) == 2 else value
    return result


def _is_function(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and (next(iter(value)) == "Ref" or next(iter(value)).startswith("Fn::"))


@dataclass(slots=True)
class Template:
    """A template, its parameters, and what is known of its resources so far.

    `physical_ids` answers `Ref` of resources, `attributes` answers `GetAtt`; both grow while a stack is made.
    """

    data: Mapping[str, Any]
    parameters: Mapping[str, str]
    pseudo: Mapping[str, str]
    physical_ids: dict[str, str] = field(default_factory=dict)
    attributes: dict[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path, *, parameters: Mapping[str, str], pseudo: Mapping[str, str]) -> Template:
        """Read a template and fill in its parameters; `pseudo` holds AWS::Region and its like.

        Raises:
            TemplateError: for an unknown parameter, a missing or not allowed value, or a rule of the template that
                refuses the combination.
        """
        data = read_template(path)
        declared = mapping(data.get("Parameters"), f"Parameters of {path.name}")
        if unknown := set(parameters) - set(declared):
            raise TemplateError(f"{path.name} has no parameter {', '.join(sorted(unknown))}.")
        values = {}
        for name, definition in ((name, mapping(one, f"Parameter {name}")) for name, one in declared.items()):
            if name not in parameters and "Default" not in definition:
                raise TemplateError(f"Parameter {name} of {path.name} has no default: give it a value.")
            value = str(parameters.get(name, definition.get("Default")))
            allowed = [str(choice) for choice in definition.get("AllowedValues") or [value]]
            if value not in allowed:
                raise TemplateError(f"Parameter {name} is {value!r}: allowed are {', '.join(allowed)}.")
            values[name] = value
        template = cls(data=data, parameters=values, pseudo=pseudo)
        template._check_rules()
        return template

    def _check_rules(self) -> None:
        for name, rule in self.data.get("Rules", {}).items():
            if not self._is_true(rule.get("RuleCondition", {"Fn::Equals": ["", ""]})):
                continue
            for assertion in rule["Assertions"]:
                if not self._is_true(assertion["Assert"]):
                    raise TemplateError(
                        assertion.get("AssertDescription", f"Rule {name} of the template refuses this.")
                    )

    def resources(self, kind: str) -> dict[str, dict[str, Any]]:
        """The resources of one type whose condition holds, by logical id."""
        return {
            logical_id: resource
            for logical_id, resource in self.data["Resources"].items()
            if resource["Type"] == kind and ("Condition" not in resource or self.condition(resource["Condition"]))
        }

    def properties(self, logical_id: str) -> dict[str, Any]:
        """A resource's properties, resolved."""
        resolved = self.resolve(self.data["Resources"][logical_id].get("Properties", {}))
        return dict(resolved)

    def function_environments(self) -> dict[str, dict[str, str]]:
        """The functions' variables by logical id; a function whose variables are not all known yet is left out."""
        shared = self.data.get("Globals", {}).get("Function", {}).get("Environment", {}).get("Variables", {})
        known = {}
        for logical_id, resource in self.resources("AWS::Serverless::Function").items():
            own = resource["Properties"].get("Environment", {}).get("Variables", {})
            try:
                variables = self.resolve({**shared, **own})
            except TemplateError:
                continue
            known[logical_id] = {name: str(value) for name, value in variables.items()}
        return known

    def condition(self, name: str) -> bool:
        """Whether a named condition holds."""
        conditions = mapping(self.data.get("Conditions"), "Conditions")
        if str(name) not in conditions:
            raise TemplateError(f"The template has no condition {name}.")
        return self._is_true(conditions[str(name)])

    def decided(self, value: Any) -> Any:
        """A value of the template with every `Fn::If` in it replaced by its branch, and all else left as it is."""
        if isinstance(value, dict):
            if value.keys() == {"Fn::If"}:
                condition, yes, no = value["Fn::If"]
                return self.decided(yes if self.condition(condition) else no)
            return {key: self.decided(member) for key, member in value.items()}
        return [self.decided(member) for member in value] if isinstance(value, list) else value

    def _is_true(self, value: Any) -> bool:
        if isinstance(value, dict) and value.keys() == {"Condition"}:
            return self.condition(str(value["Condition"]))
        return str(self.resolve(value)).lower() == "true"

    def resolve(self, value: Any) -> Any:
        """A value of the template with every function in it worked out.

        Raises:
            TemplateError: for a function or a name that is not known.
        """
        if isinstance(value, dict):
            if len(value) == 1:
                ((name, argument),) = value.items()
                if name in _FUNCTIONS:
                    try:
                        return _FUNCTIONS[name](self, argument)
                    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
                        raise TemplateError(f"{name} is not used as documented: {argument!r}.") from error
                if name.startswith("Fn::"):
                    raise TemplateError(f"The template uses {name}, which the local stack does not resolve.")
            members = ((key, self.resolve(member)) for key, member in value.items())
            return {key: member for key, member in members if member is not NO_VALUE}
        if isinstance(value, list):
            return [member for member in map(self.resolve, value) if member is not NO_VALUE]
        return value

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        kind = str(self.data.get("Parameters", {}).get(name, {}).get("Type", ""))
        if name in self.parameters and kind.startswith(_LISTS):
            return [item.strip() for item in self.parameters[name].split(",")]
        for known in (self.parameters, self.pseudo, self.physical_ids):
            if name in known:
                return known[name]
        function, _, made = name.partition(".")  # SAM's own: what AutoPublishAlias makes of a function
        if made in ("Alias", "Version"):
            alias = self.data["Resources"].get(function, {}).get("Properties", {}).get("AutoPublishAlias")
            return f"{self._get_attribute([function, 'Arn'])}:{alias if made == 'Alias' else 1}"
        raise TemplateError(f"The template refers to {name}, which the local stack does not have.")

    def _get_attribute(self, argument: list[str]) -> str:
        key = (argument[0], argument[1])
        if key not in self.attributes:
            raise TemplateError(f"The template asks for {'.'.join(key)}, which the local stack does not have.")
        return self.attributes[key]

    def _sub(self, argument: Any) -> str:
        text, names = (argument, {}) if isinstance(argument, str) else argument

        def replace(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("!"):  # `${!Name}` stands for the text `${Name}`
                return f"${{{name[1:]}}}"
            if name in names:
                return str(self.resolve(names[name]))
            resource, dot, attribute = name.partition(".")
            return str(self._get_attribute([resource, attribute]) if dot else self._ref(name))

        return _SUB_VARIABLE.sub(replace, text)

    def _select(self, argument: list[Any]) -> Any:
        index, items = self.resolve(argument)
        try:
            return items[int(index)]
        except (IndexError, ValueError) as error:
            raise TemplateError(f"Fn::Select finds no item {index!r}.") from error

    def _find_in_map(self, argument: list[Any]) -> Any:
        place = [str(name) for name in self.resolve(argument[:3])]
        value: Any = self.data.get("Mappings", {})
        try:
            for name in place:
                value = {str(key): member for key, member in value.items()}[name]
        except (KeyError, AttributeError) as error:
            raise TemplateError(f"The template's Mappings have no {'.'.join(place)}.") from error
        return value

    def _if(self, argument: list[Any]) -> Any:
        return self.resolve(argument[1] if self.condition(argument[0]) else argument[2])


_FUNCTIONS: dict[str, Callable[[Template, Any], Any]] = {
    "Ref": Template._ref,
    "Fn::GetAtt": Template._get_attribute,
    "Fn::Sub": Template._sub,
    "Fn::If": Template._if,
    "Fn::Select": Template._select,
    "Fn::FindInMap": Template._find_in_map,
    "Fn::Join": lambda template, both: str(both[0]).join(map(str, template.resolve(both[1]))),
    "Fn::Split": lambda template, both: str(template.resolve(both[1])).split(str(both[0])),
    "Fn::Base64": lambda template, text: b64encode(str(template.resolve(text)).encode()).decode("ascii"),
    "Fn::Equals": lambda template, pair: str(template.resolve(pair[0])) == str(template.resolve(pair[1])),
    "Fn::Not": lambda template, one: not template._is_true(one[0]),
    "Fn::And": lambda template, some: all(template._is_true(one) for one in some),
    "Fn::Or": lambda template, some: any(template._is_true(one) for one in some),
}
