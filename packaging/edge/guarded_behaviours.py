"""Whether CloudFront asks the authorizer about every request of the behaviours that have it.

A function for origin requests runs on cache misses only. One answer kept for one caller would be given to all others
without a check, so a guarded behaviour must have AWS's policy that disables caching, and show the function the body and
all headers.
"""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

CACHING_DISABLED: Final = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
SHOWS_ALL: Final = frozenset({"b689b0a8-53d0-40ab-baf2-68738e2966ac", "216adef6-5c7f-47e4-b989-5492eafa07d3"})
"""Managed-AllViewerExceptHostHeader and Managed-AllViewer."""
_LEGACY: Final = ("ForwardedValues", "MinTTL", "DefaultTTL", "MaxTTL")


class _Loader(yaml.SafeLoader):
    """CloudFormation's short tags as (name, value)."""


def _tag(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    return {suffix: loader.construct_mapping(node, deep=True) if isinstance(node, yaml.MappingNode) else None}


_Loader.add_multi_constructor("!", _tag)


def faults_of(template: str) -> list[str]:
    """What is wrong with a template's guarded behaviours, a sentence each; also that there are none."""
    resources = yaml.load(template, _Loader)["Resources"]  # noqa: S506 - a subclass of SafeLoader
    faults, guarded = [], 0
    for resource in resources.values():
        if resource["Type"] != "AWS::CloudFront::Distribution":
            continue
        config = resource["Properties"]["DistributionConfig"]
        every = [*config.get("CacheBehaviors", ()), {"PathPattern": "*", **config["DefaultCacheBehavior"]}]
        for behaviour in every:
            for association in _associations(behaviour.get("LambdaFunctionAssociations")):
                guarded += 1
                faults += [f"{behaviour['PathPattern']}: {fault}" for fault in _faults(behaviour, association)]
        if guarded and (kept := _kept_errors(config)):
            faults.append(f"errors are kept for some seconds, for every caller: {', '.join(kept)}")
    return faults or ([] if guarded else ["no behaviour has the authorizer"])


def _associations(value: object) -> list[dict[str, Any]]:
    """The associations, in whichever branch of a condition they stand."""
    if isinstance(value, dict) and "EventType" in value:
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [found for one in inner for found in _associations(one)]


def _faults(behaviour: dict[str, Any], association: dict[str, Any]) -> list[str]:
    faults = []
    if association["EventType"] != "origin-request":
        faults.append("the function is for origin requests")
    if association.get("IncludeBody") is not True:
        faults.append("the body is not shown to the function")
    if behaviour.get("CachePolicyId") != CACHING_DISABLED or any(name in behaviour for name in _LEGACY):
        faults.append("answers may be kept, and the function does not run for what is kept")
    if not set(re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", str(behaviour.get("OriginRequestPolicyId")))) & SHOWS_ALL:
        faults.append("the function is not shown all headers")
    return faults


def _kept_errors(config: dict[str, Any]) -> list[str]:
    """CloudFront keeps these errors for ten seconds where nothing is said, even of behaviours without caching."""
    kept = dict.fromkeys(("400", "403", "404", "405", "414", "416", "500", "501", "502", "503", "504"), 10)
    for one in config.get("CustomErrorResponses", ()):
        kept[str(one["ErrorCode"])] = one.get("ErrorCachingMinTTL", 10)
    return [code for code, seconds in kept.items() if seconds]
