"""Answers of the Admin API against the schemas of docs/openapi.yaml."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

ROOT = Path(__file__).parents[3]
ANSWERS = ROOT / "tests" / "view_answers"
"""Answers as the console's pages are tested with, hostile texts among them."""

SCHEMAS = {
    "view": "ThreatView",
    "causes": "ViewCauses",
    "funnel": "ViewFunnel",
    "timeline": "Timeline",
    "key": "AdminKeyShown",
    "support": "SupportAnswer",
}


@cache
def _components() -> dict[str, Any]:
    document = yaml.load((ROOT / "docs/openapi.yaml").read_text("utf-8"), yaml.CSafeLoader)
    return {"components": {"schemas": document["components"]["schemas"]}}


def documented_schema(name: str) -> dict[str, Any]:
    """A schema of docs/openapi.yaml, as it is written there."""
    schema: dict[str, Any] = _components()["components"]["schemas"][name]
    return schema


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{schema}", **_components()})


def check_documented(schema: str, answer: object) -> None:
    """Fails where an answer, as JSON would carry it, is not of the documented schema, or has more members."""
    carried = json.loads(json.dumps(answer))
    _validator(schema).validate(carried)
    documented = documented_schema(schema)
    assert set(carried) == set(documented["properties"]), set(carried) ^ set(documented["properties"])
