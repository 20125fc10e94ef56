"""Which changes of the template reach what runs, by SAM's own translator: `python -m tests.changes_arrive` prints them.

The template is translated as it was deployed, and once for each change: another value of each parameter, other content
of each layer and function, other settings of the APIs. Then what CloudFormation would do is worked out from its rules:

- A function that is called by an alias runs as its published version. It changes when the version is another resource,
  or one of whose properties differ: all of them are replaced, never updated.
- Lambda refuses a second version of a function that is the same as before, and the deployment fails.
- A stage of a REST API serves its deployment, a copy of the API: it changes when the deployment is another resource.
- Everything else is updated in place, or replaced where it is used; a part (stacks/) when its template or what it is
  told differs. No part has versions of its own, which a test holds.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias

from service.edge.custom_resource import settings_hash

from bonafide.operator.layout import Layout
from devkit.local.provision import pseudo_parameters
from devkit.local.template import Template, read_template
from tests.sam_translator import Deployment, translate

FIRST, SECOND = 1_800_000_000, 1_800_086_400
"""When the stack was deployed, and when it is deployed again."""

DEPLOYED: Final = {
    "EnableBackup": "true",
    "EnableCanary": "true",
    "EnableDecisionReplay": "true",
    "EnableProofOnce": "true",
}
"""The parameters that it was deployed with: every optional part is there, and may change."""

_OF_THE_FUNCTION_ITSELF: Final = ("ReservedConcurrentExecutions", "Tags")
"""Properties of a function that count at once, whatever its versions are."""

_VERSION, _ALIAS, _FUNCTION = "AWS::Lambda::Version", "AWS::Lambda::Alias", "AWS::Lambda::Function"
_API, _STAGE = "AWS::ApiGateway::RestApi", "AWS::ApiGateway::Stage"
_LAYER, _SAM_FUNCTION, _SAM_API, _PART = (
    f"AWS::Serverless::{kind}" for kind in ("LayerVersion", "Function", "Api", "Application")
)

_Resources: TypeAlias = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a deployed stack: what it is called, and what makes the next deployment."""

    name: str
    edited: Callable[[], Deployment]

    @property
    def next(self) -> Deployment:
        """The next deployment. Made when it is asked for: each is a copy of the whole template."""
        return self.edited()


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change does to a stack, by logical ids."""

    change: str
    functions: frozenset[str]
    """Functions that run otherwise afterwards, through a new version where they are called by an alias."""
    apis: frozenset[str]
    """REST APIs that answer otherwise afterwards."""
    others: frozenset[str]
    """Other resources that differ."""
    stuck: frozenset[str]
    """Functions and APIs that differ, and go on running as they were."""
    refused: frozenset[str]
    """Versions that Lambda refuses to publish."""

    @property
    def arrives(self) -> bool:
        """Whether something that runs, or that it uses, is another one, and nothing stays behind."""
        return bool(self.functions | self.apis | self.others) and not (self.stuck | self.refused)


class _Attributes(dict[tuple[str, str], str]):
    """Attributes of resources. Of a version, another one for each set of properties; of the settings, their hash."""

    def __init__(self, template: Template) -> None:
        super().__init__()
        self._template = template

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: tuple[str, str]) -> str:
        logical_id, attribute = key
        resource = self._template.data["Resources"][logical_id]
        if (resource["Type"], attribute) == ("Custom::FunctionSettings", "Hash"):
            return settings_hash(self._template.properties(logical_id))
        if (resource["Type"], attribute) == (_VERSION, "Version"):
            return f"{logical_id}:{json.dumps(self._template.properties(logical_id), sort_keys=True)}"
        return f"{logical_id}.{attribute}"


def resources_of(
    translated: Mapping[str, Any], parameters: Mapping[str, str], pseudo: Mapping[str, str] | None = None
) -> _Resources:
    """The resources that a translated template makes, functions of the template worked out; ``pseudo`` parameters are
    those of the local stack where none are given."""
    defaults = {name: str(one.get("Default", "")) for name, one in translated.get("Parameters", {}).items()}
    template = Template(translated, {**defaults, **parameters}, pseudo or pseudo_parameters("stack"))
    template.attributes = _Attributes(template)
    template.physical_ids.update({name: name for name in translated["Resources"]})
    return {
        name: {"Type": one["Type"], "Properties": template.properties(name)}
        for name, one in translated["Resources"].items()
        if "Condition" not in one or template.condition(one["Condition"])
    }


def effect(change: str, before: _Resources, after: _Resources) -> Effect:
    """What the step from one set of resources to another does."""
    differing = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    kept = {name for name in differing if name in before and name in after}
    published = {_of(after[name], "FunctionName") for name in differing & after.keys() if _is(after, name, _VERSION)}
    aliased = {_of(one, "FunctionName") for one in after.values() if one["Type"] == _ALIAS}
    changed = {name for name in kept if _is(after, name, _FUNCTION) and _runs_otherwise(before[name], after[name])}
    same = published - {name for name in differing if _is(after, name, _FUNCTION)} - (after.keys() - before.keys())
    bodies = {name for name in kept if _is(after, name, _API)}
    deployed = {
        _of(after[name], "RestApiId")
        for name in kept
        if _is(after, name, _STAGE) and before[name]["Properties"]["DeploymentId"] != _of(after[name], "DeploymentId")
    }
    stuck = (changed & aliased - published) | (bodies - deployed)
    made = {_VERSION, _ALIAS, "AWS::ApiGateway::Deployment"}
    others = {
        name
        for name in differing - changed - bodies
        if (after.get(name) or before[name])["Type"] not in made and not _only_deployed_anew(before, after, name)
    }
    return Effect(
        change,
        functions=frozenset(changed - stuck),
        apis=frozenset(bodies - stuck),
        others=frozenset(others),
        stuck=frozenset(stuck),
        refused=frozenset(same),
    )


def _is(resources: _Resources, name: str, kind: str) -> bool:
    return name in resources and resources[name]["Type"] == kind


def _of(resource: Mapping[str, Any], name: str) -> str:
    return str(resource["Properties"][name])


def _runs_otherwise(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    kept = ({k: v for k, v in one["Properties"].items() if k not in _OF_THE_FUNCTION_ITSELF} for one in (before, after))
    return next(kept) != next(kept)


def _only_deployed_anew(before: _Resources, after: _Resources, name: str) -> bool:
    """Whether a stage differs in nothing but its deployment, which is another one every time."""
    if not (_is(before, name, _STAGE) and _is(after, name, _STAGE)):
        return False
    return {**before[name]["Properties"], "DeploymentId": ""} == {**after[name]["Properties"], "DeploymentId": ""}


def other_value(name: str, parameter: Mapping[str, Any]) -> str:
    """A value that the parameter may have and was not deployed with."""
    current = DEPLOYED.get(name, parameter.get("Default", ""))
    if "AllowedValues" in parameter:
        return next(str(one) for one in parameter["AllowedValues"] if str(one) != str(current))
    if parameter["Type"] == "Number":
        return str(int(current) + (1 if int(current) < parameter.get("MaxValue", int(current) + 1) else -1))
    return f"{current}x"


def changes(template: Mapping[str, Any]) -> Iterator[Change]:
    """Every change: of each parameter, layer and function, and of what APIs answer and take."""
    for name, parameter in template["Parameters"].items():
        parameters = {**DEPLOYED, name: other_value(name, parameter)}
        yield Change(f"parameter {name}", partial(Deployment, template, parameters, SECOND))
    for kind, member, label in (
        (_LAYER, "ContentUri", "layer"),
        (_SAM_FUNCTION, "CodeUri", "function"),
        (_PART, "Location", "part"),  # its template names the code of its functions, so they change together
    ):
        for name in [name for name, one in template["Resources"].items() if one["Type"] == kind]:
            yield _edited(template, f"{label} {name}", _set(name, member, "s3://bucket/other"))
    for kind in template["Globals"]["Api"]["GatewayResponses"]:
        yield _edited(template, f"gateway response {kind}", _answer_otherwise(kind))
    for name in [name for name, one in template["Resources"].items() if one["Type"] == _SAM_API]:
        yield _edited(template, f"API setting Cors of {name}", _set(name, "Cors", "'https://other.example'"))
        yield _edited(template, f"API setting BinaryMediaTypes of {name}", _set(name, "BinaryMediaTypes", ["a~1b"]))


def _edited(template: Mapping[str, Any], name: str, edit: Callable[[dict[str, Any]], None]) -> Change:
    def edited() -> Deployment:
        copied = copy.deepcopy(dict(template))
        edit(copied)
        return Deployment(copied, DEPLOYED, SECOND)

    return Change(name, edited)


def _set(resource: str, member: str, value: object) -> Callable[[dict[str, Any]], None]:
    def edit(template: dict[str, Any]) -> None:
        template["Resources"][resource]["Properties"][member] = value

    return edit


def _answer_otherwise(kind: str) -> Callable[[dict[str, Any]], None]:
    def edit(template: dict[str, Any]) -> None:
        response = template["Globals"]["Api"]["GatewayResponses"][kind]
        response["ResponseTemplates"]["application/json"] += " "

    return edit


def effects(template: Mapping[str, Any], some: Callable[[str], bool] = lambda _name: True) -> list[Effect]:
    """What each change does, in order; ``some`` says which are looked at."""
    wanted = [change for change in changes(template) if some(change.name)]
    first, *translated = translate([Deployment(template, DEPLOYED, FIRST), *(change.next for change in wanted)])
    before = resources_of(first, DEPLOYED)
    return [
        effect(change.name, before, resources_of(after, change.next.parameters))
        for change, after in zip(wanted, translated, strict=True)
    ]


def table(found: list[Effect]) -> Iterator[str]:
    """The rows, for people."""
    yield f"{'change':44} {'functions':>9} {'APIs':>4} {'others':>6}  reaches what runs"
    for one in found:
        behind = ", ".join(sorted(one.stuck | one.refused))
        verdict = "yes" if one.arrives else f"NO: {behind or 'nothing differs'}"
        yield f"{one.change:44} {len(one.functions):9} {len(one.apis):4} {len(one.others):6}  {verdict}"
    missing = sum(not one.arrives for one in found)
    yield f"{len(found)} changes, {missing} of which do not arrive"


def main() -> int:
    """Print the table; 1 when a change does not arrive."""
    found = effects(read_template(Layout.of_this_project().template))
    print("\n".join(table(found)))
    return int(not all(one.arrives for one in found))


if __name__ == "__main__":
    sys.exit(main())
