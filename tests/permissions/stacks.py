"""The stacks that are deployed, each with its functions, roles and what the functions are told."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from devkit.local.provision import pseudo_parameters
from devkit.local.template import Template
from tests.architecture.source_tree import ROOT
from tests.permissions.granted import Statement, functions, policies_of, written
from tests.permissions.proxy_stack import LEDGER, PROXY, VALUES_ELSEWHERE

EVERYTHING = dict.fromkeys(("EnableCanary", "EnableProofOnce", "EnableEdgeBucket", "EnableDecisionReplay"), "true")
EVERYTHING |= VALUES_ELSEWHERE | {"IncidentEmail": "team@example.com", "RootKeyKind": "add-multi-region"}


def verb_of(function: str) -> str:
    """What a function does, by its logical id: ``renew_token`` of ``RenewTokenFunction``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", function.removesuffix("Function")).lower()


@dataclass(frozen=True)
class Stack:
    """The template's resources, or those of a part, with what the functions in it are told."""

    template: Template

    @property
    def resources(self) -> Mapping[str, Any]:
        resources: Mapping[str, Any] = self.template.data["Resources"]
        return resources

    def function(self, verb: str) -> str:
        """The logical id of a function."""
        return next(name for name in functions(self.resources) if verb_of(name) == verb)

    def module(self, verb: str) -> str:
        """The module of its handler, which two functions may share."""
        return str(self.resources[self.function(verb)]["Properties"]["Handler"]).split(".")[0]

    def variable(self, verb: str, name: str) -> str | None:
        """What a variable of a function names, a resource; nothing where the function is not told it."""
        variables = self.resources[self.function(verb)]["Properties"]["Environment"]["Variables"]
        return str(self.template.resolve(variables[name])).removeprefix("arn:") if name in variables else None

    def statements(self, verb: str) -> Iterator[Statement]:
        """Those of its role, with every option on."""
        for policy in policies_of(self.resources, self.function(verb)).values():
            for statement in written(policy["Properties"]["PolicyDocument"]["Statement"]):
                yield dict(self.template.resolve(statement))

    def log_group(self, verb: str) -> str:
        (reference,) = [self.resources[self.function(verb)]["Properties"]["LoggingConfig"]["LogGroup"]]
        return str(self.template.resolve(reference))

    def is_traced(self, verb: str) -> bool:
        return bool(self.resources[self.function(verb)]["Properties"].get("Tracing") != "Disabled")


def loaded(path: str, parameters: Mapping[str, str]) -> Template:
    template = Template.load(ROOT / path, parameters=parameters, pseudo=pseudo_parameters("stack"))
    for logical_id in template.data["Resources"]:
        template.physical_ids[logical_id] = logical_id
        template.attributes[logical_id, "Arn"] = f"arn:{logical_id}"
        template.attributes[logical_id, "QueueName"] = logical_id
    template.attributes["FirstSigningKey", "RootPublicKey"] = "key"
    template.attributes["FunctionSettings", "Hash"] = "hash"
    template.attributes["UncountedQueue", "QueueName"] = "queue"
    return template


@cache
def stacks() -> dict[str, Stack]:
    """By function: the stack or part that deploys it."""
    main = loaded("template.yaml", EVERYTHING)
    found: dict[str, Stack] = {}
    parts = (_part(main, one) for one in main.resources("AWS::Serverless::Application").values())
    apart = (loaded("stacks/proxy.yaml", PROXY), loaded("stacks/ledger.yaml", LEDGER))
    for template in (main, *parts, *apart):
        stack = Stack(template)
        found |= {verb_of(name): stack for name in functions(stack.resources)}
    return found


def _part(main: Template, resource: Mapping[str, Any]) -> Template:
    told = main.resolve(resource["Properties"]["Parameters"])
    return loaded(str(resource["Properties"]["Location"]), told)
