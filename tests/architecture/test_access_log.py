"""The access log: one JSON object a line, nothing that a client writes freely, nothing that says where a person is."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from devkit.local.template import read_template
from tests.architecture.source_tree import ROOT

VARIABLE = re.compile(r"\$context\.[A-Za-z0-9_.]+")
TEMPLATES = sorted([ROOT / "template.yaml", *ROOT.glob("examples/*/template.yaml")])

# What API Gateway writes for each variable that may be logged, at its worst. It puts values into the format as they
# are, so a quotation mark in one would let its sender add members. A new variable needs a row, and a look at who writes
# it: https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-variables-for-access-logging.html
WORST = {
    # A client may choose it; what is no UUID is replaced (set-up-access-logging.html).
    "$context.requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef_REPLACED_INVALID_REQUEST_ID",
    "$context.extendedRequestId": "JKJaXmPLvHcESHA=",
    "$context.requestTimeEpoch": "1795521600000",
    "$context.httpMethod": "!#$%&'*+-.^_`|~Az09",  # all that a method can hold (RFC 9110 section 5.6.2)
    "$context.resourcePath": "/v1/client-policies/{app}",
    "$context.status": "200",
    "$context.responseLength": "12",
    "$context.responseLatency": "12",
    "$context.integration.latency": "-",
    "$context.authorizer.latency": "-",
    "$context.authorizer.request_class": "wrong-audience",
    "$context.authorizer.app": "orders-2",
    "$context.error.responseType": "MISSING_AUTHENTICATION_TOKEN",
}


def formats() -> list[tuple[str, str]]:
    """Every access log format of every template, Globals included."""
    found = []
    for path in TEMPLATES:
        data = read_template(path)
        holders: dict[str, Any] = {**data.get("Globals", {}), **data["Resources"]}
        for name, holder in holders.items():
            settings = {**holder, **holder.get("Properties", {})}
            found += [
                (f"{path.name} of {path.parent.name}, {name}", settings[member]["Format"])
                for member in ("AccessLogSetting", "AccessLogSettings")
                if member in settings
            ]
    return found


def rendered(text: str) -> str:
    return VARIABLE.sub(lambda match: WORST[match[0]], text)


def test_some_access_log_is_found() -> None:
    """A rule that looks at nothing would always hold."""
    assert formats()


@pytest.mark.parametrize(("where", "text"), formats())
def test_line_is_one_json_object_whatever_a_client_sends(where: str, text: str) -> None:
    """The attack: a quotation mark in a path adds members to the line, or ends it."""
    assert "\n" not in text
    assert set(VARIABLE.findall(text)) <= WORST.keys(), where
    line = json.loads(rendered(text))
    assert all(isinstance(value, str) for value in line.values())
    assert len(line) == len(VARIABLE.findall(text)), "a member of its own for each variable"


@pytest.mark.parametrize(("where", "text"), formats())
def test_line_has_no_address_path_or_header(where: str, text: str) -> None:
    """The threat model says that no personal data is logged. The request id is on the decision's line too, beside the
    key: an address here would be an address there."""
    for part in ("identity", "sourceIp", "userAgent", "context.path", "domainName", "requestOverride", "customDomain"):
        assert part not in text, (where, part)


@pytest.mark.parametrize(("where", "text"), formats())
def test_line_has_the_id_that_no_client_chooses(where: str, text: str) -> None:
    """A client may give many requests one id; what API Gateway calls the extended id is always its own."""
    assert "$context.requestId" in text, where
    assert "$context.extendedRequestId" in text, where


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.parent.name)
def test_gateway_writes_no_execution_log(path: Any) -> None:
    """Execution logs hold headers and bodies, and with them tokens and evidence."""
    data = read_template(path)
    holders = [
        data.get("Globals", {}).get("Api", {}),
        *(one.get("Properties", {}) for one in data["Resources"].values()),
    ]
    for holder in holders:
        for setting in holder.get("MethodSettings", []):
            assert setting["LoggingLevel"] == "OFF"
            assert setting["DataTraceEnabled"] is False
