"""Prints, as JSON, a template as SAM translates it; run in SAM CLI's environment. Arguments: the template as JSON."""

from __future__ import annotations

import json
import sys
from typing import Any
from unittest.mock import patch

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator


def located(template: dict[str, Any]) -> dict[str, Any]:
    """The template with its folders named as uploads are; nothing is read from them."""
    for resource in template["Resources"].values():
        for name in {"CodeUri", "ContentUri"} & resource.get("Properties", {}).keys():
            resource["Properties"][name] = "s3://bucket/key"
    return template


def main(path: str) -> None:
    with open(path, encoding="utf-8") as file:
        template = located(json.load(file))
    with patch.object(boto3, "session"):
        translated = Translator({}, Parser()).translate(template, {})
    print(json.dumps(translated))


main(sys.argv[1])
