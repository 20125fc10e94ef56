"""What the console's pages read of an answer is what docs/openapi.yaml documents."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.unit.view.documented import ROOT, documented_schema

_CONTRACT = (ROOT / "bonafide/console/pages/src/contract.ts").read_text("utf-8")
SCHEMAS = {
    "View": "ThreatView",
    "Causes": "ViewCauses",
    "Funnel": "ViewFunnel",
    "Timeline": "Timeline",
    "Incidents": "Incidents",
    "Incident": "Incident",
    "KeyStatus": "AdminKeyShown",
    "SupportCode": "SupportAnswer",
    "PolicyHead": "AdminPolicies",
    "PolicyFacts": "AdminPolicyFacts",
    "PolicyTexts": "AdminPolicyVersion",
    "Change": "AdminPolicyChange",
}


def members_of(interface: str) -> dict[str, str]:
    """The members that an interface itself declares, with their types as written."""
    body = re.search(rf"^export interface {interface} .*?\{{\n(.*?)^\}}", _CONTRACT, re.MULTILINE | re.DOTALL)
    assert body, interface
    return dict(re.findall(r"^  (\w+)\??: (.*?);?$", body[1], re.MULTILINE))


def properties_of(schema: dict[str, Any]) -> dict[str, Any]:
    """The properties of a schema, also of one that is made of others."""
    found = dict(schema.get("properties", {}))
    for part in schema.get("allOf", ()):
        found |= properties_of(documented_schema(part["$ref"].rsplit("/", 1)[1]) if "$ref" in part else part)
    return found


def may_be_null(schema: dict[str, Any]) -> bool:
    """Whether a value of the schema may be null."""
    kind = schema.get("type")
    return kind == "null" or "null" in (kind or ()) or any(may_be_null(one) for one in schema.get("oneOf", ()))


@pytest.mark.parametrize("interface", SCHEMAS)
def test_pages_read_documented_members(interface: str) -> None:
    """The failures: a renamed member, and a page that shows nothing; a null that no page expects."""
    documented = properties_of(documented_schema(SCHEMAS[interface]))
    read = members_of(interface)
    assert len(read) >= 2
    assert set(read) <= set(documented)
    null = {name for name, written in read.items() if may_be_null(documented[name])}
    assert {name for name in null if "null" not in read[name] and "{" not in read[name]} == set()
