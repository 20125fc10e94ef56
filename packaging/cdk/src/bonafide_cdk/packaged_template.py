"""What a packaged template declares, and whether values are ones that it takes. Nothing of it is written down here."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from aws_cdk import Token

LOCAL = ("CodeUri", "ContentUri", "Location")
"""Properties that `sam package` replaces by addresses of uploads."""

Value = str | int | bool


class TemplateError(Exception):
    """The template does not have, or does not take, what it is asked for; in a sentence."""


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short tags read as their long forms."""


def _long_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        text = loader.construct_scalar(node)
        return {name: text.split(".", 1) if suffix == "GetAtt" else text}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _long_form)


class PackagedTemplate:
    """The template that `sam package` wrote.

    Raises:
        TemplateError: when it is not there, or not packaged.
    """

    def __init__(self, path: Path) -> None:
        try:
            data = yaml.load(path.read_text("utf-8"), Loader=_Loader)  # noqa: S506 - derived from SafeLoader
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise TemplateError(f"{path} cannot be read as a template: {error}") from error
        if not isinstance(data, dict) or not isinstance(data.get("Resources"), dict):
            raise TemplateError(f"{path} is not a template.")
        self.path = path
        self.data: Mapping[str, Any] = data
        for name, resource in data["Resources"].items():
            for member in LOCAL:
                place = resource.get("Properties", {}).get(member)
                if isinstance(place, str) and "://" not in place:
                    raise TemplateError(f"{path}: {member} of {name} is a folder. Run `sam package` first.")

    def parameters(self, given: Mapping[str, Value]) -> dict[str, str]:
        """Parameter values as CloudFormation takes them. Values that are known at deployment only pass unchecked.

        Raises:
            TemplateError: for a parameter that the template does not have, or a value that it does not take.
        """
        return {name: self._value(name, value) for name, value in given.items()}

    def _value(self, name: str, value: Value) -> str:
        declared = self.data.get("Parameters", {})
        if name not in declared:
            close = difflib.get_close_matches(name, declared, 1)
            raise TemplateError(f"The template has no parameter {name}.{f' Did you mean {close[0]}?' if close else ''}")
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if Token.is_unresolved(value):
            return text
        takes = declared[name]
        allowed = [str(one) for one in takes.get("AllowedValues", [])]
        if allowed and text not in allowed:
            raise TemplateError(f"{name} is {text!r}: the template takes {', '.join(allowed)}.")
        if takes["Type"] == "Number":
            _check_number(name, text, takes)
        if "AllowedPattern" in takes and not re.fullmatch(takes["AllowedPattern"], text):
            raise TemplateError(f"{name} is {text!r}: the template takes what matches {takes['AllowedPattern']}.")
        return text

    def require_output(self, name: str) -> str:
        """The name of an output, if the template has it.

        Raises:
            TemplateError: when it has not.
        """
        outputs = self.data.get("Outputs", {})
        if name not in outputs:
            raise TemplateError(f"The template has no output {name}. It has: {', '.join(sorted(outputs))}.")
        return name

    def gateway_response(self, kind: str) -> Mapping[str, Any]:
        """The template's own answer of API Gateway of a kind, such as ACCESS_DENIED.

        Raises:
            TemplateError: when it has none.
        """
        try:
            response: Mapping[str, Any] = self.data["Globals"]["Api"]["GatewayResponses"][kind]
        except KeyError as error:
            raise TemplateError(f"The template has no gateway response {kind}.") from error
        return response


def _check_number(name: str, text: str, takes: Mapping[str, Any]) -> None:
    try:
        number = float(text)
    except ValueError as error:
        raise TemplateError(f"{name} is {text!r}: the template takes a number.") from error
    least, most = takes.get("MinValue", number), takes.get("MaxValue", number)
    if not least <= number <= most:
        raise TemplateError(f"{name} is {text}: the template takes {least} to {most}.")
