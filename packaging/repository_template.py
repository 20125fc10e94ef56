"""The template for the AWS Serverless Application Repository, made from a built one.

`python packaging/repository_template.py arm64` reads .aws-sam/arm64/template.yaml and writes repository.json beside it
(docs/releasing.md).

An application there is one template with its artefacts in S3. So two things differ from what `sam deploy` takes:

- Nested stacks by path are left out, with the conditions, rules, parameters and outputs that only they needed: their
  templates would stay in the publisher's bucket, which accounts that install the application cannot read.
- The architecture is the one that was built: an account that chose the other would get binaries for another machine.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from devkit.local.template import read_template

METADATA: Final = "AWS::ServerlessRepo::Application"
NESTED: Final = ("AWS::Serverless::Application", "AWS::CloudFormation::Stack")
ARCHITECTURES: Final = ("arm64", "x86_64")

_POLICIES: Final = (
    *("AWS::Lambda::LayerVersionPermission", "AWS::Lambda::Permission", "AWS::Events::EventBusPolicy"),
    *("AWS::IAM::Policy", "AWS::ApplicationAutoScaling::ScalingPolicy", "AWS::S3::BucketPolicy"),
    *("AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"),
)
_IDENTITIES: Final = ("AWS::IAM::Group", "AWS::IAM::InstanceProfile", "AWS::IAM::Policy", "AWS::IAM::Role")


class PublicationError(Exception):
    """The template cannot be published as it is, in a sentence."""


def repository_template(built: Mapping[str, Any], architecture: str) -> dict[str, Any]:
    """The template without its nested stacks, for one architecture.

    Raises:
        PublicationError: when something that stays needs a nested stack, or there is nothing to publish it by.
    """
    template = copy.deepcopy(dict(built))
    if METADATA not in template.get("Metadata", {}):
        raise PublicationError(f"The template has no Metadata of type {METADATA}.")
    resources = template["Resources"]
    nested = {name for name, one in resources.items() if one["Type"] in NESTED}
    for name in nested:
        del resources[name]
    template["Outputs"] = {
        name: one for name, one in template.get("Outputs", {}).items() if not nested & set(named(one))
    }
    if needy := [name for name, one in resources.items() if nested & set(named(one))]:
        raise PublicationError(f"{', '.join(sorted(needy))} would need a nested stack, which is left out.")
    _drop_unused(template)
    template["Parameters"]["Architecture"].update(Default=architecture, AllowedValues=[architecture])
    return template


def _drop_unused(template: dict[str, Any]) -> None:
    """Conditions that nothing needs any more, then parameters and the rules about them."""
    kept = [template[part] for part in ("Globals", "Resources", "Outputs") if part in template]
    conditions = template.get("Conditions", {})
    needed: set[str] = set()
    waiting = {name for part in kept for name in named(part)} & set(conditions)
    while waiting:
        needed |= waiting
        waiting = {name for one in waiting for name in named(conditions[one])} & set(conditions) - needed
    template["Conditions"] = {name: one for name, one in conditions.items() if name in needed}
    used = {name for part in (*kept, template["Conditions"]) for name in named(part)}
    gone = set(template.get("Parameters", {})) - used
    template["Parameters"] = {name: one for name, one in template["Parameters"].items() if name not in gone}
    template["Rules"] = {name: one for name, one in template.get("Rules", {}).items() if not gone & set(named(one))}


def named(value: object) -> Iterator[str]:
    """What a part of a template refers to: parameters, resources and conditions, by name."""
    if isinstance(value, Mapping):
        for key, member in value.items():
            if key in ("Ref", "Condition", "DependsOn") and isinstance(member, str):
                yield member
            elif key == "Fn::GetAtt":
                yield member[0] if isinstance(member, list) else str(member).split(".")[0]
            elif key == "Fn::If":
                yield member[0]
            elif key == "Fn::Sub":
                text, own = (member[0], set(member[1])) if isinstance(member, list) else (member, set())
                yield from (one for one in _variables(text) if one not in own)
            if isinstance(member, list) and key == "DependsOn":
                yield from member
            yield from named(member)
    elif isinstance(value, list):
        for member in value:
            yield from named(member)


def _variables(text: str) -> Iterator[str]:
    for piece in text.split("${")[1:]:
        name = piece.partition("}")[0]
        if not name.startswith("!"):
            yield name.partition(".")[0]


def capabilities(translated: Mapping[str, Any]) -> list[str]:
    """What an account must acknowledge before it may install a translated template, by AWS's own list of types."""
    kinds = {one["Type"] for one in translated["Resources"].values()}
    roles = [one.get("Properties", {}) for one in translated["Resources"].values() if one["Type"] == "AWS::IAM::Role"]
    found = []
    if kinds & set(_IDENTITIES):
        found.append("CAPABILITY_NAMED_IAM" if any("RoleName" in role for role in roles) else "CAPABILITY_IAM")
    if kinds & set(_POLICIES):
        found.append("CAPABILITY_RESOURCE_POLICY")
    if kinds & set(NESTED):
        found.append("CAPABILITY_AUTO_EXPAND")
    return found


def main() -> None:
    """Write the template of one architecture's build."""
    if len(sys.argv) != 2 or sys.argv[1] not in ARCHITECTURES:
        sys.exit(f"Name the architecture that was built: {' or '.join(ARCHITECTURES)}.")
    source = Path(__file__).parents[1] / ".aws-sam" / sys.argv[1] / "template.yaml"
    if not source.is_file():
        sys.exit(f"There is no build for {sys.argv[1]}: run `make build ARCHITECTURE={sys.argv[1]}` first.")
    try:
        template = repository_template(read_template(source), sys.argv[1])
    except PublicationError as error:
        sys.exit(str(error))
    target = source.with_name("repository.json")
    target.write_text(json.dumps(template, indent=1) + "\n", encoding="utf-8")
    print(target)


if __name__ == "__main__":
    main()
