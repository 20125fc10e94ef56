"""Prints, as JSON, templates as SAM translates them; run in SAM CLI's environment.

Takes one file with a list of deployments, each {"template": ..., "parameters": {...}, "at": seconds, "region": name}.
"""

from __future__ import annotations

import json
import sys
from typing import Any
from unittest.mock import patch

import boto3
from samtranslator.parser.parser import Parser
from samtranslator.translator import arn_generator
from samtranslator.translator.translator import Translator

_LOCATION = {
    "CodeUri": "s3://bucket/key",
    "ContentUri": "s3://bucket/key",
    "Location": "https://bucket.s3.amazonaws.com/key",
}


def located(template: dict[str, Any]) -> dict[str, Any]:
    """The template with its folders named as uploads are; nothing is read from them."""
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        for name in _LOCATION.keys() & properties.keys():
            if "://" not in str(properties[name]):
                properties[name] = _LOCATION[name]
    return template


def main(path: str) -> None:
    """Translate each deployment in its own region, and at its own time, by which SAM names what it makes every time."""
    with open(path, encoding="utf-8") as file:
        deployments = json.load(file)
    translated = []
    for one in deployments:
        with patch.object(boto3, "session") as boto3_session, patch("time.time", return_value=one["at"]):
            boto3_session.Session.return_value.region_name = one["region"]
            arn_generator._get_region_from_session.cache_clear()
            arn_generator._region_to_partition.cache_clear()
            template = located(one["template"])
            translated.append(Translator({}, Parser()).translate(template, one["parameters"]))
    print(json.dumps(translated))


main(sys.argv[1])
